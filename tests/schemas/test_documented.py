"""Every record and field of our topics is described, and docs/topics.md says what the schemas and the plan say."""

from copy import deepcopy
from pathlib import Path

import pytest

from shadowstream import shipped
from shadowstream.codecs import described
from shadowstream.topics import TopicPlan
from tests.schemas.schema_resolution import schemas_of, undescribed

ROOT = Path(__file__).resolve().parents[2]
PRESENT = schemas_of(shipped.schema_dir())


@pytest.mark.parametrize("name", PRESENT)
def test_every_record_and_field_is_described(name: str) -> None:
    assert list(undescribed(PRESENT[name])) == []


def test_what_is_not_described_is_found_at_any_depth() -> None:
    diff = deepcopy(PRESENT["diff"])
    fields = {field["name"]: field for field in diff["fields"]}
    del fields["pair_id"]["doc"]
    fields["production"]["type"][1]["doc"] = " "
    del fields["differences"]["type"]["items"]["fields"][0]["doc"]
    assert list(undescribed(diff)) == [
        "/Diff.pair_id",
        "/Diff.production/RecordId",
        "/Diff.differences/Difference.path",
    ]


def test_the_page_of_topics_is_as_it_would_be_made_now() -> None:
    assert (ROOT / "docs" / "topics.md").read_text("utf-8") == described.page(), (
        "run: python -m shadowstream.codecs.described > docs/topics.md"
    )


def test_the_page_names_every_topic_of_a_plan() -> None:
    page = described.page()
    plan = TopicPlan("t")
    for spec in plan.specs({"scores": 2}, diff_json=True, labels=True, rechecks=True):
        name = spec.name.removeprefix(plan.prefix).replace("scores", "<topic>")
        assert f"\n| `{name}` | " in page
