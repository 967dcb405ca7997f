"""The YAML subset, variables and limits, without any knowledge of what a config means."""

import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from shadowstream.yaml_flow import as_key
from shadowstream.yamlfile import BYTES_MAX, DEPTH_MAX, EVENTS_MAX, _Loader, as_written, parse, read, written


def problems(text: str, **environ: str) -> list[tuple[int, str, str]]:
    return [(line, ".".join(map(str, where)), message) for line, where, message in parse(text, environ).problems]


def the_problem(text: str, **environ: str) -> tuple[int, str, str]:
    found = problems(text, **environ)
    assert len(found) == 1, found
    return found[0]


def value(text: str, **environ: str) -> Any:
    document = parse(f"x: {text}", environ)
    assert not document.problems
    return document.data["x"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("12", 12),
        ("-0x1F", "-0x1F"),
        ("0x1F", 31),
        ("0o17", 15),
        ("010", 10),
        ("1_000", "1_000"),
        ("1.5", 1.5),
        ("1e-6", 1e-6),
        (".5", 0.5),
        ("true", True),
        ("False", False),
        ("yes", "yes"),
        ("off", "off"),
        ("~", None),
        ("", None),
        ("null", None),
        ("1:30", "1:30"),
        ("2013-07-01", "2013-07-01"),
        ("'12'", "12"),
        ('"true"', "true"),
        ("!!str 12", "12"),
        ("[1, a]", [1, "a"]),
        ("{a: {b: 1}}", {"a": {"b": 1}}),
    ],
)
def test_a_scalar_is_what_yaml_1_2_says(text: str, expected: object) -> None:
    found = value(text)
    assert found == expected
    assert type(found) is type(expected)


def test_every_value_has_the_line_of_its_key() -> None:
    document = parse("# first\na:\n  b:\n    - 1\n    - c: 2\n", {})
    assert document.lines == {
        (): 1,
        ("a",): 2,
        ("a", "b"): 3,
        ("a", "b", 0): 4,
        ("a", "b", 1): 5,
        ("a", "b", 1, "c"): 5,
    }


@pytest.mark.parametrize(
    ("text", "environ", "expected"),
    [
        ("${A}", {"A": "7"}, 7),
        ("'${A}'", {"A": "7"}, "7"),
        ("${A}", {"A": "true"}, True),
        ("${A}", {"A": ""}, None),
        ("${A}", {"A": "[1, 2]"}, "[1, 2]"),
        ("${A}", {"A": "&a {b: *a}"}, "&a {b: *a}"),
        ("${A}${B}", {"A": "1", "B": "2"}, "12"),
        ("host:${A}", {"A": "9092"}, "host:9092"),
        ("${A:-5}", {}, 5),
        ("${A:-5}", {"A": ""}, 5),
        ("${A:-5}", {"A": "6"}, 6),
        ("${A:-}", {}, None),
        ("'${A:-}'", {}, ""),
        ("${A:?say}", {"A": "x"}, "x"),
        ("$$", {}, "$"),
        ("$${A}", {}, "${A}"),
        ("a$b", {}, "a$b"),
        ("${A}", {"A": "${B}", "B": "1"}, "${B}"),
    ],
)
def test_a_variable_is_filled_in(text: str, environ: dict[str, str], expected: object) -> None:
    found = value(text, **environ)
    assert found == expected
    assert type(found) is type(expected)


def test_an_undefined_variable_is_named_with_its_key_and_line() -> None:
    line, key, message = the_problem("a:\n  b: x${NOPE}y")
    assert (line, key) == (2, "a.b")
    assert message == "variable NOPE is not set; set it, or write ${NOPE:-default}"


def test_a_required_variable_says_its_own_message() -> None:
    assert the_problem("a: ${PW:?ask the platform team}")[2] == "variable PW is not set: ask the platform team"
    assert the_problem("a: ${PW:?}", PW="")[2] == "variable PW is not set: it is required"


@pytest.mark.parametrize("breaking", ["a\nb", "a\n", "a\rb", "\u2028b: 1"])
def test_a_variable_with_a_line_break_is_refused_and_not_shown(breaking: str) -> None:
    message = the_problem("a: ${V}", V=breaking)[2]
    assert message == "variable V contains a line break, which is not allowed; use one line"


@pytest.mark.parametrize(
    "text", ["a: '${'", "a: '${}'", "a: '${1A}'", "a: '${A:+x}'", "a: '${A-x}'", "a: '${A:-${B}}'"]
)
def test_a_broken_variable_is_a_problem(text: str) -> None:
    assert "broken ${…}" in the_problem(text, A="1", B="2")[2]


def test_a_variable_in_a_key_is_a_problem() -> None:
    message = "variables are not allowed in keys; write the key out, and $${ for ${ in it"
    assert the_problem("'${A}': 1", A="x") == (1, "${A}", message)
    assert the_problem("'$${A}${B': 1", A="x") == (1, "${A}${B", message)


@given(st.text("${}A", min_size=1, max_size=8))
def test_a_key_with_dollar_signs_is_written_as_it_is_read_back(key: str) -> None:
    written_down = written({as_key(key): {as_key(key): 1}})
    document = parse(written_down, {"A": "x"})
    assert not document.problems
    assert document.data == {key: {key: 1}}
    assert written(as_written(document)) == written_down


def test_a_variable_in_a_comment_is_nobodys_business() -> None:
    assert value("1 # ${NOPE}") == 1


def test_a_duplicate_key_names_both_lines_beside_other_problems() -> None:
    found = problems("a: 1\nb: [1, {c: 2}]\nb: [3, {c: [4]}]\nd: ${NOPE}")
    assert [(line, key) for line, key, _ in found] == [(3, "b"), (4, "d")]
    assert found[0][2] == "occurs twice, first in line 2; remove one of them"
    assert parse("b: [1]\nb: [2]", {}).data == {"b": [1]}


@pytest.mark.parametrize(
    ("text", "line", "part"),
    [
        ("", 1, "is empty"),
        ("# only words\n", 1, "is empty"),
        ("a: 1\n---\nb: 2", 2, "second document"),
        ("a: &x 1", 1, "anchors (&x)"),
        ("a: 1\nb: *x", 2, "aliases (*x)"),
        ("a: !!python/object:os.system x", 1, "tags"),
        ("a: !!map {}", 1, "tags"),
        ("? [1]\n: 2", 1, "a key must be a plain word"),
        ("a: .inf", 1, "not a finite number"),
        ("a: -.INF", 1, "not a finite number"),
        ("a: .nan", 1, "not a finite number"),
        ("a: 1e999", 1, "too large"),
        ("a: " + "9" * 5000, 1, "whole number of 5000 digits"),
        ("a:\n - 1\n b", 3, "is not YAML"),
        ("a: 1\n\tb: 2", 2, "is not YAML"),
        ("a: 1\nb: \x00", 2, "U+0000"),
        ("a: {b: ${C}}", 1, "needs quotes"),
    ],
)
def test_what_is_refused_is_named_with_its_line(text: str, line: int, part: str) -> None:
    found = problems(text)
    assert [one[0] for one in found] == [line]
    assert part in found[0][2]


def test_a_billion_laughs_are_refused_at_once() -> None:
    text = "a: &a [x, x]\n" + "".join(f"{new}: &{new} [*{old}, *{old}]\n" for old, new in pairwise("abcdefghi"))
    began = time.perf_counter()
    assert "aliases" in " ".join(message for _, _, message in problems(text))
    assert time.perf_counter() - began < 1


@pytest.mark.parametrize("opening", ["[", "{a: "])
def test_deep_nesting_is_refused_at_once(opening: str) -> None:
    began = time.perf_counter()
    found = problems(opening * (BYTES_MAX // len(opening)))
    assert any(f"deeper than {DEPTH_MAX} levels" in message for _, _, message in found)
    assert time.perf_counter() - began < 2


@pytest.mark.parametrize("opening", ["[", "{", "{a: ", "[a, "])
def test_nesting_costs_no_more_for_each_further_level(opening: str) -> None:
    began = time.process_time()
    found = problems(opening * (BYTES_MAX // len(opening)))
    assert [message for _, _, message in found] == [f"is nested deeper than {DEPTH_MAX} levels"]
    assert time.process_time() - began < 0.2


@pytest.mark.parametrize("item", ["a,", "a,\n", "[],"])
def test_many_values_are_refused_before_the_slow_parser_reads_them(item: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(yaml.SafeLoader, "get_event", None)
    ((_, _, message),) = problems("[" + item * EVENTS_MAX + "]")
    assert message == f"holds more than {EVENTS_MAX} values; is this the right file?"


def test_values_are_counted_without_the_parser_in_c_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(yaml, "__with_libyaml__", False)
    ((_, _, message),) = problems("[" + "a," * EVENTS_MAX + "]")
    assert message == f"holds more than {EVENTS_MAX} values; is this the right file?"


@pytest.mark.parametrize(
    "long", ["b" * 300, "b " * 300, '"' + "b" * 300 + '"', "'" + "\ufeff" * 300 + "'", "# " + "c" * 300]
)
@pytest.mark.parametrize("end", ["\n", "\r\n", "\x85", " # no\n"])
def test_long_parts_of_a_line_keep_every_place(long: str, end: str) -> None:
    text = f"a: {long}{end}" * 30
    own, plain = (
        [(one.start_mark.index, one.start_mark.line, one.start_mark.column) for one in yaml.scan(text, Loader=loader)]
        for loader in (_Loader, yaml.SafeLoader)
    )
    assert own == plain
    assert len(own) > 90


def test_a_file_over_the_limit_is_refused(tmp_path: Path) -> None:
    (tmp_path / "big.yaml").write_bytes(b"# " + b"x" * BYTES_MAX)
    assert f"larger than {BYTES_MAX} bytes" in read(tmp_path / "big.yaml", {}).problems[0][2]


def test_a_file_that_is_not_utf_8_is_refused_with_the_line(tmp_path: Path) -> None:
    (tmp_path / "latin.yaml").write_bytes("a: 1\nb: é".encode("latin-1"))
    line, _, message = read(tmp_path / "latin.yaml", {}).problems[0]
    assert (line, message) == (2, "is not UTF-8 at byte 8; save it as UTF-8")


def test_a_byte_order_mark_is_not_part_of_the_first_key(tmp_path: Path) -> None:
    (tmp_path / "bom.yaml").write_bytes(b"\xef\xbb\xbfa: 1")
    assert read(tmp_path / "bom.yaml", {}).data == {"a": 1}


@pytest.mark.parametrize("name", ["nowhere.yaml", "."])
def test_a_file_that_cannot_be_read_is_a_problem(tmp_path: Path, name: str) -> None:
    assert "cannot be read" in read(tmp_path / name, {}).problems[0][2]


def trees() -> st.SearchStrategy[Any]:
    scalars = (
        st.none() | st.booleans() | st.integers(-(10**12), 10**12) | st.floats(allow_nan=False, allow_infinity=False)
    )
    texts = st.text(
        st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="$\u2028\u2029\ufeff"), max_size=20
    )
    return st.recursive(
        scalars | texts,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
        max_leaves=12,
    )


@given(trees())
def test_plain_data_survives_the_way_through_yaml(data: Any) -> None:
    # Quoted texts: what needs quotes is a matter of the YAML release (1.1 of PyYAML's writer, 1.2 of ours).
    class Quoting(yaml.SafeDumper):
        pass

    Quoting.add_representer(str, lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", text, style='"'))
    document = parse(yaml.dump(data, Dumper=Quoting, allow_unicode=True), {})
    assert not document.problems
    assert document.data == data


@given(st.text())
def test_no_text_makes_the_reader_raise(text: str) -> None:
    document = parse(text, {})
    assert document.problems or is_plain(document.data)


def is_plain(data: Any) -> bool:
    if isinstance(data, dict):
        return all(isinstance(key, str) and is_plain(inner) for key, inner in data.items())
    if isinstance(data, list):
        return all(map(is_plain, data))
    return data is None or type(data) in (str, int, float, bool)


@given(st.text(st.characters(exclude_categories=("Cs",)), max_size=30))
def test_what_a_variable_holds_never_becomes_structure(held: str) -> None:
    document = parse("a: ${V}\nb: '${V}'\nc: x${V}", {"V": held})
    if document.problems:
        return
    assert set(document.data) == {"a", "b", "c"}
    assert not isinstance(document.data["a"], list | dict)
    assert (document.data["b"], document.data["c"]) == (held, f"x{held}")
