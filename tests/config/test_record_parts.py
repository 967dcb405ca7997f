"""Parts beside the values that a config may compare, and what is refused with a way out."""

from typing import Any

import pytest
from pydantic import ValidationError

from shadowstream.protocol.headers import ORIGIN_HEADER, PACKED_HEADER
from shadowstream.records import OWN_HEADERS
from shadowstream.revision import revision_of
from tests.least_config import least_config

BY_ID = {"kind": "id", "header": "id"}
HTTP = {"http": {"url": "http://model:8080/v2", "protocol": "json"}, "version": "1"}
TOPIC = {"topic": "other", "group": "job", "version": "1"}
PARTS = {"key": True, "headers": ["trace"]}


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"compare": {"key": True}}, "compare.key: with identity.kind: key records pair by their key"),
        ({"compare": {"key": True}, "identity": {"kind": "occurrence"}}, "compare.key: with identity.kind: occurrence"),
        (
            {"compare": {"key": True}, "identity": BY_ID, "candidate": {"call": "m:f", "partitioner": "murmur2"}},
            "compare.key: with candidate.partitioner: murmur2 the key chooses the partition",
        ),
        ({"compare": {"order": True}}, "compare.order: needs identity.kind: coordinate or id"),
        ({"compare": {"order": True}, "identity": BY_ID | {"outputs": "many"}}, "compare.order: needs identity.kind"),
        ({"compare": {"order": True}, "identity": BY_ID | {"dedupe_span": 0}}, "identity.dedupe_span is 0"),
        (
            {"compare": {"order": True}, "identity": BY_ID, "limits": {"overflow": "shed"}},
            "compare.order: limits.overflow: shed ends records without a comparison",
        ),
        ({"compare": {"headers": ["a", "b", "a"]}}, "headers: a is named more than once"),
        ({"compare": {"headers": [""]}}, "at least 1 character"),
        *(({"compare": {"headers": [name]}}, f"shadowstream itself writes the header '{name}'") for name in "sp"),
        ({"compare": {"headers": ["trace"]}, "candidate": HTTP}, "trace can be no header of the candidate's outputs"),
        (
            {"compare": PARTS | {"rules": [{"path": "$headers.span", "ignore": True}]}, "identity": BY_ID},
            "compare.rules: $headers.span leads to a header that is not compared",
        ),
        (
            {"compare": PARTS | {"redact": {"paths": ["$headers.span"]}}, "identity": BY_ID},
            "compare.redact: $headers.span leads to a header that is not compared",
        ),
        (
            {"compare": PARTS | {"checks": [{"path": "$key", "not_null": True}]}, "identity": BY_ID},
            "compare.checks: $key is a part beside the value",
        ),
        (
            {"compare": PARTS | {"dimensions": [{"name": "d", "path": "$headers.trace"}]}, "identity": BY_ID},
            "compare.dimensions: $headers.trace is a part beside the value",
        ),
    ],
)
def test_what_could_not_be_compared_is_refused(more: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError) as error:
        least_config(**more)
    assert message in str(error.value)


@pytest.mark.parametrize(
    "more",
    [
        {"compare": PARTS, "identity": BY_ID},
        {"compare": PARTS, "identity": {"kind": "coordinate"}},
        {"compare": PARTS, "identity": BY_ID, "candidate": TOPIC},
        {"compare": {"headers": ["id"]}, "identity": BY_ID, "candidate": HTTP},
        {"compare": {"headers": ["a"], "dimensions": [{"name": "d", "header": "a"}]}, "candidate": HTTP},
        {"compare": {"headers": ["trace"]}},
        {"compare": {"order": True}, "identity": BY_ID, "limits": {"overflow": "spill"}},
        {"compare": PARTS | {"rules": [{"path": "$headers.*", "ignore": True}]}, "identity": BY_ID},
        {"compare": {"rules": [{"path": "$headers.span", "ignore": True}]}},
    ],
)
def test_what_can_be_compared_is_accepted(more: dict[str, Any]) -> None:
    assert least_config(**more).compare


def test_the_headers_that_cannot_be_compared_are_those_of_the_protocol() -> None:
    assert OWN_HEADERS == (PACKED_HEADER, ORIGIN_HEADER)


def test_parts_that_are_compared_are_a_revision_of_their_own() -> None:
    candidate = {"call": "tests.joiner.whole_trial:candidate", "trusted": True}
    parts = ({}, {"key": True}, {"order": True}, {"headers": ["a"]}, {"headers": ["b"]})
    revisions = [
        revision_of(least_config(candidate=candidate, identity={"kind": "coordinate"}, compare=one)) for one in parts
    ]
    assert len(set(revisions)) == len(parts)
