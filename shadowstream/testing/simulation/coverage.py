"""Which outcomes a run of the simulator has shown under which identity, and which cannot be."""

from collections import Counter
from collections.abc import Collection, Iterable

from shadowstream.protocol.outcomes import Outcome
from shadowstream.testing.simulation.history import IDENTITIES

TWIN = tuple(
    f"twin_{one}" for one in ("match", "mismatch", "undecodable_twin", "undecodable_production", "missing", "extra")
)
CORRECTIONS = tuple(f"correction of {one}" for one in ("missing", "extra", "evicted"))
JOINT = tuple(f"joint_{one}" for one in ("neither", "shadow", "twin", "both"))
OUTCOMES = tuple(dict.fromkeys((*Outcome, *CORRECTIONS, *TWIN, *JOINT)))
OCCURRENCE = {
    "cardinality": "outputs: many needs an id of the input, so the config refuses it here",
    "duplicate_production": "a repeat of production looks like another occurrence",
    "repeated_production": "a repeat of production looks like another occurrence",
} | dict.fromkeys(CORRECTIONS, "within the disorder that the grace allows nothing is said too early")
WITHOUT_TWIN = "the config refuses a twin here"


def impossible(outcome: str, identity: str) -> str | None:
    """Why this cell must be empty; None where it must not."""
    if identity == "id by path" and "twin_undecodable" in outcome:
        return "without a readable value there is no id, so nothing to pair it with"
    if identity != "id by path" and outcome == "undecodable_twin":
        return "it is paired first; its pair counts as twin_undecodable_..."
    if identity != "occurrence":
        return None
    return WITHOUT_TWIN if "twin" in outcome or outcome.startswith("joint") else OCCURRENCE.get(outcome)


def empty(seen: Counter[tuple[str, str]]) -> list[tuple[str, str]]:
    """Cells that may not be zero, and are."""
    cells = ((outcome, identity) for outcome in OUTCOMES for identity in IDENTITIES)
    return [cell for cell in cells if not seen[cell] and impossible(*cell) is None]


def faults(seen: Counter[tuple[str, str]], may_lack: Collection[str] = ()) -> list[str]:
    """What is wrong with a run that has shown these: an outcome that it must show and has not, or has and cannot be. No
    outcome is excused: where one identity cannot have it, another shows it (`impossible` says of each cell why)."""
    lacking = [cell for cell in empty(seen) if cell[0] not in may_lack]
    found = [f"never shown: {outcome} under {identity}" for outcome, identity in lacking]
    for (outcome, identity), n in sorted(seen.items()):
        if n and outcome not in OUTCOMES:
            found.append(f"shown, and not in the table of coverage: {outcome} under {identity}")
        elif n and (reason := impossible(outcome, identity)) is not None:
            found.append(f"shown, though it cannot be ({reason}): {outcome} under {identity}")
    return found


def table(seen: Counter[tuple[str, str]]) -> Iterable[str]:
    """Outcome by identity, with the reason for each cell that cannot be."""
    outcomes = [*OUTCOMES, *sorted({o for o, _ in seen} - set(OUTCOMES))]
    yield " ".join(["outcome".ljust(24), *(identity.rjust(13) for identity in IDENTITIES)])
    reasons: dict[str, None] = {}
    for outcome in outcomes:
        cells = []
        for identity in IDENTITIES:
            reason = impossible(outcome, identity)
            if reason and not seen[outcome, identity]:
                reasons.setdefault(f"- {outcome} under {identity}: {reason}")
                cells.append("-".rjust(13))
            else:
                cells.append(str(seen[outcome, identity]).rjust(13))
        yield " ".join([outcome.ljust(24), *cells])
    yield from reasons
