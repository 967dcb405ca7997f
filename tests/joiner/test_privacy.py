"""What rows, statistics and dead letters of the joiner hold under each choice of values, redaction included."""

import json
from typing import Any

import pytest
from pydantic import ValidationError

from shadowstream.cli.diff import Wanted, hash_of
from shadowstream.compare.redact import DROPPED, MARK
from shadowstream.judge.verdict.side_notes import shown_texts
from tests.compare.test_lists import spread
from tests.joiner.joiner_world import config
from tests.joiner.test_redaction import WorldWithSinks

SECRET = "a secret of this trial"
MAIL, CARD = "ada@example", "4711471147114711"
REDACT = {"paths": ["email", "balances", "nested.person"], "secret": SECRET}
VALUES = ("numbers", "hashed", "none")
HIDING: dict[str, dict[str, Any]] = {
    **{values: {"examples": {"values": values, "secret": SECRET}} for values in VALUES},
    "redact": {"redact": REDACT},
    "redact and drop": {"redact": {"paths": REDACT["paths"], "how": "drop"}},
}


def played(production: Any, shadow: Any, key: str = "k", **compare: Any) -> WorldWithSinks:
    world = WorldWithSinks(config(compare={"match_sample": 1, **compare})).begin()
    world.production(key, production if isinstance(production, str) else json.dumps(production))
    world.shadow(key, shadow if isinstance(shadow, str) else json.dumps(shadow), 0)
    world.turn()
    return world


def whole(world: WorldWithSinks) -> bytes:
    """All bytes that left the joiner, and the labels of its metrics."""
    parts = [(write.key or b"") + (write.value or b"") for write in world.left]
    parts += [content or b"" for write in world.left for _, content in write.headers or []]
    return b"\n".join([*parts, repr(world.stats).encode(), repr(world.diff).encode()])


LEAKS: dict[str, tuple[Any, Any]] = {
    "renamed": ({"email": MAIL, "n": 1}, {"mail_address": MAIL, "n": 1}),
    "renamed number": ({"balances": int(CARD)}, {"money": int(CARD)}),
    "moved into another object": ({"email": MAIL, "user": {"n": 1}}, {"user": {"n": 1, "contact": MAIL}}),
    "of the same name elsewhere": ({"user": {"email": MAIL}}, {"user": {"email": "x"}}),
    "moved into a field of another type": ({"email": MAIL, "n": 1}, {"email": "x", "n": MAIL}),
    "in an object that is new": ({"email": MAIL}, {"email": MAIL, "copy": {"deep": [MAIL]}}),
    "key of a map below": ({"balances": {MAIL: 1}}, {"balances": {MAIL: 2}}),
    "key of an inner map": ({"balances": {"eu": {MAIL: 1}}}, {"balances": {"eu": {MAIL: 2}}}),
    "name of the candidate's making": ({"n": 1}, {"n": 1, f"seen {MAIL}": 1}),
    "many names": ({"n": 1}, {"n": 1, **{f"{MAIL} {n}": n for n in range(50)}}),
    "number as a name": ({"n": 1}, {"n": 1, CARD: 1}),
}


@pytest.mark.parametrize("compare", HIDING.values(), ids=HIDING)
@pytest.mark.parametrize("case", LEAKS)
def test_new_renamed_and_moved_fields_are_covered(case: str, compare: dict[str, Any]) -> None:
    production, shadow = LEAKS[case]
    if "number" in case and compare is HIDING["numbers"]:
        pytest.skip("numbers are shown")
    world = played(production, shadow, **compare)
    assert world.outcomes() == {"mismatch": 1}
    assert not [word for word in (MAIL, CARD) if word.encode() in whole(world)]


def test_a_rule_that_names_a_new_field_allows_it() -> None:
    rules = [{"path": "mail_address", "exact": True}]
    world = played({"n": 1}, {"n": 1, "mail_address": "x"}, redact=REDACT, rules=rules)
    (found,) = world.diff[0]["differences"]
    assert (found["path"], found["shadow"]) == ("mail_address", '"x"')
    rules = [{"path": "user", "exact": True}]
    world = played({"user": {}}, {"user": {"mail": "x"}}, redact=REDACT, rules=rules)
    assert world.diff[0]["differences"][0]["shadow"].startswith(f'"{MARK}')


SHOWN: dict[str, dict[str, bool]] = {
    "numbers": {"n": True, "ok": True, "at": True, "list": True, "text": False, "bytes": False, "id": False},
    "hashed": dict.fromkeys(("n", "ok", "at", "list", "text", "bytes", "id"), False),
    "none": dict.fromkeys(("n", "ok", "at", "list", "text", "bytes", "id"), False),
    "shown": dict.fromkeys(("n", "ok", "at", "list", "text", "bytes", "id"), True),
}


@pytest.mark.parametrize("values", SHOWN)
def test_each_choice_shows_the_values_that_it_promises(values: str) -> None:
    production = {"n": 1, "ok": True, "at": "2026-01-31T00:00:00Z", "list": [1, 2], "text": "ada", "id": "4711"}
    shadow = {"n": 2, "ok": False, "at": "2026-02-28T00:00:00Z", "list": [1, 3, 4], "text": "bob", "id": "4712"}
    world = played(production, shadow, "ada", examples={"values": values, "secret": SECRET})
    (row,) = world.diff
    for one in row["differences"]:
        hides = f'"{MARK}' in (one["production"] or "") and f'"{MARK}' in (one["shadow"] or "")
        assert hides is not SHOWN[values][one["path"].partition(".")[0]], one
        assert values != "none" or one["shadow"] == f'"{DROPPED}"'
        assert (one["delta"] is not None) == (values in ("numbers", "shown") and one["path"][:4] in ("n", "list"))
    assert (row["key"] == b"ada") is (values == "shown")


def test_equal_values_have_one_hash_in_one_trial() -> None:
    texts = []
    for secret in (SECRET, SECRET, "of another trial"):
        world = played({"a": "ada", "b": "ada"}, {"a": "x", "b": "y"}, examples={"secret": secret, "values": "numbers"})
        one, other = (found["production"] for found in world.diff[0]["differences"])
        assert one == other
        texts.append(one)
    assert texts[0] == texts[1] != texts[2]


def test_a_text_that_looks_like_a_hash_is_hashed() -> None:
    for compare in (HIDING["numbers"], {"redact": {"paths": ["card"], "secret": SECRET}}):
        world = played({"card": f"{MARK}{CARD}"}, {"card": "x"}, **compare)
        assert CARD.encode() not in whole(world)


@pytest.mark.parametrize("broken", [MAIL, f'{{"a": {MAIL}', f'{{"{MAIL}": 1, "{MAIL}": 2}}'])
def test_a_reason_and_a_dead_letter_hold_no_part_of_a_value(broken: str) -> None:
    for compare in HIDING.values():
        world = played('{"n": 1}', broken, **compare)
        assert world.outcomes() == {"undecodable_shadow": 1}
        assert not [text for text in (MAIL, MAIL.encode().hex()[:10]) if text.encode() in whole(world)]


def test_a_reason_shows_no_name_below_a_redacted_path() -> None:
    rules = [{"path": "balances.*", "lists": "unordered"}]
    rules += [{"path": f"balances.*.*.{name}", "atol": 1.0} for name in "ab"]
    production, shadow = ({"balances": {"lovelace": points}} for points in spread(400))
    world = played(production, shadow, rules=rules, redact=REDACT)
    assert world.diff[0]["reason"].startswith("TooManyElements: ")
    assert b"lovelace" not in whole(world)


@pytest.mark.parametrize("key", ["ada", '{"id": 7, "eu": true}'])
def test_rows_are_found_by_the_hash_of_their_key(key: str) -> None:
    world = played({"n": 1}, {"n": 2}, key, examples={"values": "numbers", "secret": SECRET})
    wanted = Wanted(key=key, key_hash=hash_of(world.config, key))
    assert [wanted.takes(row) for row in world.diff] == [True]


def test_a_verdict_records_that_texts_are_shown() -> None:
    assert "texts of values are shown" in shown_texts(config())[0]
    assert shown_texts(config(compare={"examples": {"values": "numbers"}})) == []


def test_answers_that_wait_for_labels_must_not_be_redacted() -> None:
    with pytest.raises(ValidationError, match=r"user\.answer is redacted"):
        config(labels={"topic": "truth", "path": "user.answer"}, compare={"redact": {"paths": ["user"]}})


def test_examples_given_as_a_number_are_their_count() -> None:
    examples = config(compare={"examples": 7}).compare.examples
    assert (examples.count, examples.values) == (7, "numbers")
