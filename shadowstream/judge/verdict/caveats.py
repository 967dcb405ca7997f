"""Caveats: the limits of a verdict as sentences. A verdict rests on them as much as on its counts."""

from collections.abc import Iterable, Mapping, Sequence

from shadowstream.config import Config
from shadowstream.judge.drift.rate_monitor import BLIND_UP_TO, RateMonitor
from shadowstream.judge.verdict.identity_fit import few_repeats, rise_together
from shadowstream.protocol.outcomes import duplicate, undecodable
from shadowstream.records import Side

NAMED_MAX = 5
REPEATED_NAMES = "check/repeated_names:"
"""Figure of pairs with a value that contains a name twice."""


def caveats_of(
    config: Config,
    outcomes: Mapping[str, int],
    withdrawn: Iterable[str] = (),
    monitors: Iterable[RateMonitor] = (),
    unwatched: Sequence[str] = (),
    dropped: int = 0,
) -> list[str]:
    """Return the limits of a verdict, whatever it decides.

    `withdrawn`: rejects that corrections have withdrawn. `monitors`: those of the criteria. `unwatched`: fields and
    slices beyond the limit of monitors. `dropped`: pairs of slices beyond the limit of cells.
    """
    return [
        *_of_exactness(config),
        *_of_a_job_of_its_own(config),
        *_of_identity(config, outcomes),
        *_of_decoding(config, outcomes),
        *_of_ends(config, outcomes),
        *_of_cost(config),
        *_of_functions(config),
        *_of_rights(config),
        *_of_drift(config, list(monitors)),
        *_of_room(unwatched, dropped),
        *(
            "a reject was withdrawn, since records said missing or extra have come after all, or may have their "
            f"partner among records that were never compared: {why}"
            for why in withdrawn
        ),
    ]


def _judged(config: Config) -> set[str]:
    return {criterion.rate for criterion in config.judge.criteria}


def _of_exactness(config: Config) -> list[str]:
    caveats = []
    if config.delivery == "at_least_once":
        caveats.append(
            "delivery is at_least_once: a crash repeats records, and an input after it may be answered twice; of two "
            "answers the first counts"
        )
    if not config.production.is_exact and "extra" in _judged(config):
        caveats.append("extra is not exact: production.commits is unknown, so time and grace decide it")
    if config.candidate.topic is not None and config.candidate.commits == "unknown" and "missing" in _judged(config):
        caveats.append(
            "missing is not exact: candidate.commits is unknown, so the grace is waited beyond the commits of its group"
        )
    if config.twin is not None and config.twin.commits == "unknown":
        caveats.append(
            "the twin's counts are not exact: twin.commits is unknown, so time and grace decide what it lacks"
        )
    return caveats


def _of_a_job_of_its_own(config: Config) -> list[str]:
    if config.candidate.topic is None:
        return []
    caveats = [
        f"the candidate is a job of its own: that version {config.candidate.version!r} is what runs there is its "
        "operator's word, nothing of it was hashed",
        "ledgers 1 and 2 do not exist: nobody tells us which inputs the candidate read and what it wrote, so an output "
        "that it lost, filtered or failed on is missing, and why is not known",
    ]
    if "error" in _judged(config):
        caveats.append(
            "error: inputs on which the candidate failed are not judged, because nobody counts the inputs of a job of "
            "its own; judged is the share of its records that cannot be decoded"
        )
    return caveats


def _of_identity(config: Config, outcomes: Mapping[str, int]) -> list[str]:
    caveats = []
    if config.identity.kind == "occurrence":
        caveats.append(
            "identity is occurrence: a record that production wrote twice cannot be told from two real ones, so its "
            "repeats count as missing where the candidate did not repeat them"
        )
    repeated = outcomes.get(duplicate(Side.PRODUCTION), 0)
    if repeated:
        caveats.append(f"{repeated} records of production came twice, as where it was set back and wrote them again")
    return [*caveats, *few_repeats(config, outcomes), *rise_together(config, outcomes)]


def _of_ends(config: Config, outcomes: Mapping[str, int]) -> list[str]:
    """Say that the candidate's process keeps ending: the trial is slow then, as the runner rests between starts."""
    ended = sum(outcomes.get(name, 0) for name in ("crashed", "timeout"))
    if not ended or config.candidate.isolation == "in-process" or config.candidate.kind in ("topic", "http"):
        return []
    inputs = "one input" if ended == 1 else f"{ended:,} inputs"
    return [
        f"the candidate ended its process, or gave no answer in time, on {inputs}: the runner starts it again each "
        "time, and pauses up to 30 s between two starts while no input is answered; the log event candidate_crashed "
        "names them"
    ]


def _of_decoding(config: Config, outcomes: Mapping[str, int]) -> list[str]:
    caveats = []
    if config.compare.duplicate_names == "last":
        caveats.append(
            f"compare.duplicate_names is last: {outcomes.get(REPEATED_NAMES, 0)} pairs have a JSON object that holds a "
            "name more than once, and only the last value was compared"
        )
    broken = outcomes.get(undecodable(Side.SHADOW), 0)
    if not broken or "error" in _judged(config):
        return caveats
    caveats.append(
        f"{broken} records of the candidate cannot be decoded and count in no rate: judge.criteria has no error"
    )
    return caveats


def _of_cost(config: Config) -> list[str]:
    return [
        f"cost: that production takes {criterion.reference_ms:g} ms of CPU time an input is the config's word, "
        "nothing here "
        "measures it; the candidate's is that of the thread which calls it, without threads and processes of its own"
        for criterion in config.judge.criteria
        if criterion.rate == "cost"
    ]


def _of_functions(config: Config) -> list[str]:
    called = sorted(set(config.compare.calls))
    if not called:
        return []
    more = f" and {len(called) - NAMED_MAX} others" if len(called) > NAMED_MAX else ""
    named = ", ".join(called[:NAMED_MAX])
    return [f"functions of compare decide what agrees, and run with the joiner's rights: {named}{more}"]


def _of_rights(config: Config) -> list[str]:
    caveats = []
    if config.isolation.unproven == "accept":
        caveats.append(
            "isolation.unproven is accept: where the brokers allow everything, only shadowstream's own checks keep the "
            "trial from production's topics and groups"
        )
    if config.isolation.roles == "shared":
        caveats.append(
            "isolation.roles is shared: the roles may use one principal, and the runner, which calls the candidate, "
            "may write what the judge reads and decides"
        )
    return caveats


def _of_drift(config: Config, monitors: list[RateMonitor]) -> list[str]:
    caveats = []
    blind = [watch.subject.name for watch in monitors if watch.blind]
    if blind:
        caveats.append(
            f"no change over time can be seen yet in {', '.join(blind)}: ADWIN needs more than {BLIND_UP_TO} windows "
            f"of at least {config.judge.drift.min_records} records since it began or last found one; until then only "
            "the alarm over the limit watches"
        )
    refused = {watch.subject.name: watch.refused for watch in monitors if watch.refused}
    if refused:
        left_out = ", ".join(f"{values} of {name}" for name, values in refused.items())
        caveats.append(f"values that are no finite number were kept from ADWIN: {left_out}")
    return caveats


def _of_room(unwatched: Sequence[str], dropped: int) -> list[str]:
    caveats = []
    if unwatched:
        named = ", ".join(unwatched[:NAMED_MAX])
        others = f" and {len(unwatched) - NAMED_MAX} others" if len(unwatched) > NAMED_MAX else ""
        caveats.append(f"there was no room to look for change over time in {named}{others}; the whole is watched")
    if dropped:
        caveats.append(
            f"{dropped} pairs are in slices for which there was no room: fewer dimensions, or a smaller "
            "compare.values_max, count every slice"
        )
    return caveats
