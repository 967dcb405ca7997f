"""Scenes through the product: pair by pair, as columns, and by the entry that the joiner uses."""

from collections import Counter
from typing import Any, NamedTuple

from shadowstream.codecs.decoder import Decoder
from shadowstream.compare import RuleSet, compare_pairs
from shadowstream.compare.comparer import comparer
from shadowstream.compare.schema_changes import Evolutions
from shadowstream.config import Compare, Rule
from tests.compare.proof.oracle import Verdict
from tests.compare.proof.pairs import Case, Scene
from tests.compare.proof.rules import text_of
from tests.compare.proof.scenes import scene
from tests.compare.written_pairs import Registry

REPEATED, REPEATED_IN_COLUMNS = 3, 5
KEPT = 32
"""Of more differences than this the product keeps so many."""
WAYS = ("rows", "columns", "joiner")


class Answer(NamedTuple):
    """What the product says of a pair."""

    outcome: str
    found: frozenset[tuple[str, str]]
    reason: str | None = None


def answer(result: Any) -> Answer:
    """A result of the product."""
    return Answer(result.outcome, frozenset((d.path, d.kind) for d in result.differences), result.reason)


def answers(given: Scene) -> dict[str, list[Answer]]:
    """The answers to all pairs of a scene, by way."""
    registry = Registry(*given.schemas)
    rules = [Rule(**{name: what for name, what in one.items() if name != "at"}) for one in given.rules]
    production, shadow = [c.production for c in given.cases], [c.shadow for c in given.cases]

    one, other, rule_set = Decoder(registry), Decoder(registry), RuleSet(rules, given.added)  # type: ignore[arg-type]  # drawn
    evolutions = Evolutions()
    one_by_one = [
        compare_pairs([p], [s], one, other, rule_set, evolutions=evolutions)[0]
        for p, s in zip(production, shadow, strict=True)
    ]
    # Repeated, so that those that differ are enough for a batch in Arrow.
    fresh = Decoder(registry), Decoder(registry)
    times = REPEATED if given.is_free else REPEATED_IN_COLUMNS
    batch = list(compare_pairs(production * times, shadow * times, *fresh, rule_set, evolutions=Evolutions()))
    compare = comparer(registry, Compare(rules=rules, added_fields=given.added))  # type: ignore[arg-type]  # drawn
    whole = compare(production, shadow, [0] * len(production))
    found = {"rows": one_by_one, "columns": batch[: len(production)], "joiner": list(whole)}
    return {way: [answer(result) for result in results] for way, results in found.items()}


class Fault(NamedTuple):
    """A disagreement, with what makes it again."""

    what: str
    scene: int
    place: int
    label: str
    case: Case
    got: dict[str, Answer]

    def __str__(self) -> str:
        must = f"{self.case.must.outcome} {_listed(shown(self.case.must))}"
        answers = {
            f"{one.outcome} {_listed(one.found)} {one.reason or ''}".strip(): way for way, one in self.got.items()
        }
        text_of_answers = "; ".join(f"{way}: {text}" for text, way in answers.items())
        where = f"--scene {self.scene} pair {self.place} ({self.label}), {self.case.name}"
        return f"{self.what}: {where}\n    must: {must}\n    {text_of_answers}"


def _listed(found: frozenset[tuple[str, str]]) -> str:
    return " ".join(f"{path}:{kind}" for path, kind in sorted(found))


class Report:
    """What was seen."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.cases = 0
        self.kinds: Counter[str] = Counter()
        self.counts: Counter[str] = Counter()
        self.faults: list[Fault] = []
        self.first: int | None = None
        """After how many cases the first fault was seen."""

    def add(self, given: Scene) -> None:
        """Run a scene and enter what it gives."""
        try:
            got = answers(given)
        except Exception as error:  # noqa: BLE001  whatever the product raises is a fault of every pair
            text_of_answers = Answer(f"raises {type(error).__name__}: {error}"[:200], frozenset())
            got = dict.fromkeys(WAYS, [text_of_answers] * len(given.cases))
        for place, case in enumerate(given.cases):
            self.cases += 1
            self.kinds[case.name] += 1
            self.kinds.update(given.kinds)
            own = {way: got[way][place] for way in WAYS}
            for what in sorted(faults_of(case, own)):
                self.counts[what] += 1
                self.first = self.first or self.cases
                self.faults.append(Fault(what, given.number, place, given.label, case, own))


def faults_of(case: Case, own: dict[str, Answer]) -> set[str]:
    """The classes of disagreement of one pair."""
    found = {wrong for way in WAYS if (wrong := fault(case.must, own[way])) is not None}
    if len({(one.outcome, one.found) for one in own.values()}) > 1:
        found.add("rows and columns disagree")
    return found


def shown(must: Verdict) -> frozenset[tuple[str, str]]:
    """The oracle's places as the product shows them, but those that the rules leave open."""
    return frozenset((text_of(at), kind) for at, kind in must.found if kind != "any order")


AGREEING = ("match", "ignored", "tolerated", "expected")


def fault(must: Verdict, got: Answer) -> str | None:
    """How an answer differs from the oracle's, None where it does not."""
    if got.outcome != must.outcome:
        if must.outcome not in AGREEING and got.outcome in AGREEING:
            return "false match"
        return "false mismatch" if must.outcome in AGREEING and got.outcome not in AGREEING else "wrong outcome"
    places, open_ = shown(must), {text_of(at) for at, kind in must.found if kind == "any order"}
    below = {
        place
        for place in got.found
        if any(place[0] == one or place[0].startswith(f"{one}.") or not one for one in open_)
    }
    # Which elements of such a list meet is left open; that it differs is not.
    found = got.found - below
    is_whole = places == found or (len(places) > KEPT == len(got.found) and places > found)
    return None if is_whole and bool(open_) == bool(below) else "wrong place or kind"


def run(seed: int, cases: int, first: int = 0, faults_max: int | None = None) -> Report:
    """Scenes until there have been so many cases, or so many faults."""
    report = Report(seed)
    number = first
    while report.cases < cases and (faults_max is None or len(report.faults) < faults_max):
        report.add(scene(seed, number))
        number += 1
    return report
