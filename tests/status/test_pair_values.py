"""Both values of a pair side by side: every field once, the differing ones marked, secrets covered."""

from shadowstream.paths import ABSENT
from shadowstream.status.pair_values import FIELDS_MAX, FieldOfPair, fields_of_input, fields_of_pair
from tests.least_config import redactor

PLAIN = redactor()
SECRET = redactor(redact={"paths": ["user.name"], "secret": "a long secret"})


def test_every_field_of_either_side_is_shown_once_and_the_differing_marked() -> None:
    production = {"id": 7, "score": 0.5, "parts": [{"n": 1}, {"n": 2}], "old": None}
    candidate = {"id": 7, "score": 0.75, "parts": [{"n": 1}, {"n": 3}], "new": "x"}
    fields, more = fields_of_pair(production, candidate, ["score", "parts.1.n", "old", "new"], PLAIN)
    assert fields == [
        FieldOfPair("id", "7", "7", False),
        FieldOfPair("score", "0.5", "0.75", True),
        FieldOfPair("parts.0.n", "1", "1", False),
        FieldOfPair("parts.1.n", "2", "3", True),
        FieldOfPair("old", "null", None, True),
        FieldOfPair("new", None, '"x"', True),
    ]
    assert more == 0


def test_a_difference_of_a_part_or_the_whole_marks_its_fields() -> None:
    (one, other), _ = fields_of_pair({"a": {"b": 1}, "c": 1}, {"a": {"b": 2}, "c": 1}, ["a"], PLAIN)
    assert (one.differs, other.differs) == (True, False)
    whole, _ = fields_of_pair({"a": 1}, ABSENT, [""], PLAIN)
    assert whole == [FieldOfPair("a", "1", None, True)]
    assert fields_of_pair(ABSENT, ABSENT, [""], PLAIN) == ([], 0)
    assert fields_of_pair(1, 2, [""], PLAIN)[0] == [FieldOfPair("", "1", "2", True)]


def test_keys_and_headers_come_before_the_fields_of_values() -> None:
    parts = {"$key": "k", "$headers": {"trace": "a"}}, {"$key": "k", "$headers": {}}
    fields, _ = fields_of_pair({"a": 1}, {"a": 1}, ["$headers.trace"], PLAIN, parts)
    assert fields == [
        FieldOfPair("$key", '"k"', '"k"', False),
        FieldOfPair("$headers.trace", '"a"', None, True),
        FieldOfPair("a", "1", "1", False),
    ]


def test_redacted_paths_are_covered_on_both_sides_and_equal_values_stay_equal() -> None:
    value = {"user": {"name": "Ada", "age": 36}}
    (name, age), _ = fields_of_pair(value, value, [], SECRET)
    assert name.production == name.candidate
    assert "Ada" not in str(name)
    assert age.production == "36"


def test_with_a_redaction_no_value_of_an_input_is_shown() -> None:
    value = {"alias": "Ada", "age": 36}
    assert [one.value for one in fields_of_input(value, PLAIN)[0]] == ['"Ada"', "36"]
    covered, _ = fields_of_input(value, SECRET)
    assert [one.path for one in covered] == ["alias", "age"]
    assert all(one.value.startswith('"redacted:') for one in covered)


def test_of_too_many_fields_the_differing_ones_are_shown() -> None:
    value = {f"f{n}": n for n in range(FIELDS_MAX + 10)}
    fields, more = fields_of_pair(value, value, [f"f{FIELDS_MAX + 9}"], PLAIN)
    assert (fields[0].path, fields[0].differs, len(fields), more) == (f"f{FIELDS_MAX + 9}", True, FIELDS_MAX, 10)


def test_deep_and_odd_values_have_a_text() -> None:
    deep: object = "bottom"
    for _ in range(100):
        deep = [deep]
    fields, _ = fields_of_pair(deep, {1: b"\xff", "": {}}, [], PLAIN)
    assert [one.candidate for one in fields] == [None, '"0xff"', "{}"]
