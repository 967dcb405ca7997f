"""The closed table of outcomes as rates: which outcomes are units of a rate, and which of them are bad.

========  =========================================  =============================  ==================
rate      n: units                                   s: bad units                   a unit is
========  =========================================  =============================  ==================
mismatch  pairs compared                             mismatch, cardinality          a pair
missing   pairs compared, missing, candidate         missing, candidate error,      a production record
          error, timeout, crashed,                   timeout, crashed
extra     pairs compared, extra                      extra                          a shadow record
unstable  pairs compared                             unstable                       a pair
error     input, undecodable shadow                  input_failed, undecodable      an input
                                                     shadow, less both failed
========  =========================================  =============================  ==================

A pair compared is one unit however many records or fields it has. Where the table of the design is open:

- `undecodable_shadow` counts in error alone, paired or not. Its production record was neither compared nor is it
  missing, so it is no unit of mismatch or missing; the candidate pays once, not twice.
- `undecodable_production` counts in no rate, paired or not, and lowers coverage. So does `uncompared`: a pair that a
  function of the config did not answer for.
- `candidate_error`, `timeout` (no answer within `candidate.timeout_ms`) and `crashed` (the candidate ended its process)
  end a production record and count in missing. The failing input counts in error by itself (`input_failed`), whatever
  production wrote.
- `undecodable_input` ends a production record whose input the candidate was not asked for, because it could not be
  decoded. It counts in no rate and lowers coverage. Such an input is no unit of error (`input_undecodable`).
- `both_failed`: production says of its own output that it failed on this input (`production.error`), and the candidate
  failed too. That is no difference: no bad unit of missing, and taken from the failed inputs of error.
- `input_failed` is contained in `input`; `undecodable_shadow` is not, for its input did not fail.
- A candidate that is a job of its own (`candidate.topic`) does not tell us of its inputs. Its error is then the share
  of its records that cannot be decoded: n is pairs compared, extra and undecodable shadow, s undecodable shadow.
- A record that no pair can hold (`unpairable`) and one that was never compared because its id came before (a
  re-delivery is `duplicate`, another value or input `repeated`) count in no rate of these and lower coverage on either
  side (`coverage_losses`, `coverage`).
- The twin's outcomes (`twin_*`), the joint ones (`joint_*`) and those of its records alone count in none of these and
  lower no coverage: what differs between two runs of production is no fault of the candidate. The criterion twin is
  the excess over that noise: of the ids at which exactly one of candidate and twin differs, the share
  at which it is the candidate.
- Cost counts the inputs that the candidate answered (`cost_measured:<threshold>`), and of these the ones that took it
  more CPU time than the threshold (`cost_over:<threshold>`); both come from the runner, as `input` does.
- `expected:<name>` is `expected` of one declared change; both are counted. `expected_also:<name>` is a pair of another
  change that this one explains a part of: it counts against the bound of this one as well, and is one pair.

Beside the table a criterion may ask for rows of its own (`rate_of`), over what else a window counts. Everything that a
window counts is a *figure*: outcomes by their names, the rest behind a prefix (`figures_of`).
"""

from collections import Counter
from collections.abc import Mapping
from itertools import repeat
from typing import Any, NamedTuple

from shadowstream.config import Config, Criterion
from shadowstream.config.judging import BY_KEY
from shadowstream.judge.coverage.coverage_losses import REASONS_MAX
from shadowstream.judge.coverage.evicted_records import is_of_evictions
from shadowstream.judge.coverage.explained_absences import explaining
from shadowstream.judge.latency_sketch import LATENCY, latency_figures
from shadowstream.judge.part_figures import is_part, scope_of, scoped, value_figures
from shadowstream.protocol.count_names import (
    COST_MEASURED,
    COST_OVER,
    EVICTIONS,
    EXPECTED,
    EXPECTED_ALSO,
    JOINT,
    LABEL_DIFFER,
    LABEL_DIFFER_UNLABELLED,
    LABEL_RANKED,
    LABELS,
    LATENCIES,
    RECHECKS,
    TWIN,
    cost_names,
)
from shadowstream.protocol.outcomes import (
    FAILED,
    IN_RATES,
    LOWERS_COVERAGE,
    PAIRS,
    Outcome,
    bad_unit_of,
    duplicate,
    repeated,
    unit_of,
)
from shadowstream.protocol.reasons import OTHER, reason_name, split_name
from shadowstream.records import Side

_ENDED = frozenset((*IN_RATES, *LOWERS_COVERAGE))

FIELD, CHECK, MEAN, REASON = "field/", "check/", "mean/", "reason/"
"""Prefixes of figures that are no outcomes: pairs that differ at a path, checks, the sums of a mean, and reasons."""
NAMED, DECIDED = "named/", "decided/"
"""Pairs that differ where a field criterion looks beside those that differ at that very path (`FIELD`), and pairs that
were looked at for it."""
NAMING, UNNAMED = "decided", "unnamed"
"""Pairs that were looked at for the paths of some criteria, and for none."""
NOISE, SHIFT = "noise/", "shift/"
"""Pairs at which production and its twin differ, by path; which way the differences of a mean lie."""
OVER, UNDER = "over", "under"
"""Pairs whose signed difference was cut: the candidate is worse, or better, by more than the bound."""
_NO_OUTCOMES = (FIELD, CHECK, MEAN, NAMED, DECIDED, NOISE, SHIFT, REASON, EVICTIONS, LATENCY)


KNOWN = frozenset(
    (
        *(*Outcome, *LATENCIES, *LABELS),
        *(LABEL_DIFFER, LABEL_DIFFER_UNLABELLED, LABEL_RANKED),
        *("input", "input_failed", "input_undecodable"),
        *RECHECKS,
    )
)


class Counts(NamedTuple):
    """Units and bad units of one rate."""

    n: int
    s: int

    @property
    def possible(self) -> bool:
        """Whether 0 <= s <= n; anything else is a writer's error and can carry no evidence."""
        return 0 <= self.s <= self.n


class Rate(NamedTuple):
    """One row of the table: outcomes that are units, outcomes that are bad units, and the units' name.

    `agreed`: outcomes that say of a bad unit that it is none. `excused`: outcomes that may be why a unit is bad without
    being the candidate's fault. They take nothing from the evidence for promote; only bad units beyond as many excuses
    count for a reject (`explained_absences`). `no_units`: outcomes that are among `n` and no units.
    """

    n: tuple[str, ...]
    s: tuple[str, ...]
    units: str
    agreed: tuple[str, ...] = ()
    excused: tuple[str, ...] = ()
    no_units: tuple[str, ...] = ()

    def counts(self, figures: Mapping[str, int]) -> Counts:
        """Units and bad units among figures; those that are not there count 0."""
        # `map` over both: the judge asks this many times a window, and loops take twice as long.
        get, zeros = figures.get, repeat(0)
        n, s = sum(map(get, self.n, zeros)), sum(map(get, self.s, zeros))
        if self.no_units:
            n -= sum(map(get, self.no_units, zeros))
        if self.agreed:
            s -= sum(map(get, self.agreed, zeros))
        return Counts(n, s)


# A candidate that does as production does repeats as often as production repeats, on either side.
_REPEATED_PRODUCTION = duplicate(Side.PRODUCTION), repeated(Side.PRODUCTION)
_REPEATED = duplicate(Side.SHADOW), repeated(Side.SHADOW), *_REPEATED_PRODUCTION

RATES: dict[str, Rate] = {
    "mismatch": Rate(unit_of("mismatch"), bad_unit_of("mismatch"), "pairs"),
    "missing": Rate(unit_of("missing"), bad_unit_of("missing"), "production records"),
    "extra": Rate(unit_of("extra"), bad_unit_of("extra"), "shadow records"),
    "unstable": Rate(unit_of("unstable"), bad_unit_of("unstable"), "pairs"),
    "error": Rate(
        ("input", *unit_of("error")),
        ("input_failed", *bad_unit_of("error")),
        "inputs",
        agreed=(Outcome.BOTH_FAILED,),
    ),
}
UNCOUNTED_INPUTS = RATES | {
    "error": Rate((*unit_of("extra"), *unit_of("error")), bad_unit_of("error"), "shadow records")
}
"""The rates of a candidate whose inputs nobody counts for us."""
OF_ANSWERED = Rate(
    (*unit_of("missing"), *unit_of("error")),
    (*FAILED, *bad_unit_of("error")),
    "production records",
)
"""Errors on the inputs that production has answered."""
SEVERAL_OUTPUTS = RATES | {"error": RATES["error"]._replace(agreed=())}
"""The rates where an input may have several outputs: how many inputs these failures are is not known."""


def rates_of(config: Config) -> Mapping[str, Rate]:
    """The table of rates for a trial's candidate."""
    if config.candidate.topic is not None:
        return UNCOUNTED_INPUTS
    if config.production.error is not None and config.production.error.silent:
        return RATES | {"error": OF_ANSWERED}
    several = len(config.production.outputs) > 1 or config.identity.outputs == "many"
    return SEVERAL_OUTPUTS if several else RATES


def is_known(outcome: str) -> bool:
    """Whether an outcome is in the closed table.

    >>> is_known("joint_both"), is_known("vanished")
    (True, False)
    """
    prefixes = (TWIN, JOINT, EXPECTED, EXPECTED_ALSO, COST_MEASURED, COST_OVER)
    return outcome in KNOWN or outcome.startswith(prefixes)


def rate_of(criterion: Criterion, config: Config) -> Rate:
    """The row that a criterion counts by; with `where` or `topic` over the figures of that part."""
    scope = scope_of(criterion)
    row = _row_of(criterion, config)
    if not scope:
        keyed = criterion.unit == "key" and not criterion.is_signed
        return (by_key_of(criterion, config) or row) if keyed else row
    if criterion.rate == "error" and criterion.where:
        # Inputs have no dimensions: of a part it is production's records that the candidate failed on.
        row = OF_ANSWERED
    part = criterion.id.removeprefix(criterion.model_copy(update={"where": None, "topic": None}).id + "@")
    n, s, agreed, none = (tuple(scope + name for name in names) for names in (row.n, row.s, row.agreed, row.no_units))
    # What may be the partner of a record of this part, nobody could read: it has no part.
    return Rate(n, s, f"{row.units} with {part}", agreed, row.excused, none)


def by_key_of(criterion: Criterion, config: Config) -> Rate | None:
    """The row by which buckets of keys count; None if the joiner has none. Inputs have no key, so errors are counted by
    production's records. Of a loss the bad units are the sum of its units, in 2**-32."""
    if criterion.is_signed and criterion.unit == "key":
        from shadowstream.protocol.mean_sums import SUMS  # loads NumPy, and light commands never get here

        return Rate((mean_of(criterion),), (f"{mean_of(criterion)}/{SUMS - 1}",), _units_of_loss(criterion))
    if criterion.rate not in BY_KEY or criterion.where or criterion.topic:
        return None
    row = _row_of(criterion, config)
    return row if "input" not in row.n else OF_ANSWERED


def _row_of(criterion: Criterion, config: Config) -> Rate:
    if criterion.rate in (table := rates_of(config)):
        return table[criterion.rate]._replace(excused=explaining(criterion.rate, config))
    path = criterion.path or ""
    measured, costly = cost_names(criterion.over_ns or 0)
    rows = {
        "field": Rate(PAIRS, (FIELD + path, NAMED + path), "pairs"),
        "duplicate": Rate((*unit_of("extra"), *_REPEATED), _REPEATED, "records", excused=2 * _REPEATED_PRODUCTION),
        "slower": Rate(("latency_pairs",), ("latency_slower",), "pairs with both latencies"),
        "over": Rate(("latency_pairs",), ("latency_over",), "pairs with both latencies"),
        "latency": Rate(("latency_pairs",), (), "pairs with both latencies"),
        "cost": Rate((measured,), (costly,), "inputs answered"),
        "mean": Rate((mean_of(criterion),), (), "pairs with numbers"),
        "loss": Rate((mean_of(criterion),), (), _units_of_loss(criterion)),
        "check": Rate(
            (f"{CHECK}checked:{path}",),
            (f"{CHECK}{criterion.check}:{path}",),
            "values checked",
            agreed=agreed_of(criterion),
            no_units=no_units_of(criterion),
        ),
        "twin": Rate(("joint_shadow", "joint_twin"), ("joint_shadow",), "pairs on which one of the two differs"),
        "labels": Rate(
            ("label_production_only", "label_candidate_only"),
            ("label_candidate_only" if criterion.judged else "label_production_only",),
            "labelled pairs on which one of the two is wrong",
        ),
        "expected": Rate(PAIRS, (f"{EXPECTED}{criterion.name}", f"{EXPECTED_ALSO}{criterion.name}"), "pairs"),
    }
    row = rows[criterion.rate]
    return row if row.excused else row._replace(excused=explaining(criterion.rate, config))


def _units_of_loss(criterion: Criterion) -> str:
    if criterion.loss == "auc":
        return "labelled pairs compared with those of the other label"
    return "labelled pairs" if criterion.is_labelled else "pairs with a loss"


def agreed_of(criterion: Criterion) -> tuple[str, ...]:
    """Pairs in which production's value fails a check as the candidate's does: the candidate is no worse there.

    >>> agreed_of(Criterion(rate="check", check="range", path="a", limit=0.01))
    ('check/both:range:a',)
    """
    path = criterion.path
    return (f"{CHECK}neither:{path}",) if criterion.check == "null" else (f"{CHECK}both:{criterion.check}:{path}",)


def no_units_of(criterion: Criterion) -> tuple[str, ...]:
    """Pairs in which neither side has anything that a check could look at. They lower the check's coverage, so that a
    path that no record has is never shown good."""
    return (f"{CHECK}{'absent' if criterion.check == 'schema' else 'neither'}:{criterion.path}",)


def figures_of(delta: Mapping[str, Any]) -> dict[str, int]:
    """All additive counts of one window of a stats record (schemas/stats.avsc) but pairs of slices and buckets, in one
    map.

    >>> figures_of({"outcomes": {"match": 2, "expected:round": 1}, "fields": {"score": 1}})
    {'match': 2, 'expected:round': 1, 'expected': 1, 'field/score': 1}
    """
    figures: dict[str, int] = dict(delta["outcomes"])
    for name, pairs in delta["outcomes"].items():
        if name.startswith(EXPECTED):
            figures[Outcome.EXPECTED.value] = figures.get(Outcome.EXPECTED, 0) + pairs
    figures |= {FIELD + path: pairs for path, pairs in delta["fields"].items()}
    figures |= {CHECK + name: values for name, values in delta.get("checks", {}).items()}
    for mean in delta.get("means", ()):
        name = mean_name(mean["path"], mean.get("bound", 0.0), mean.get("limit", 0.0))
        figures[name] = mean["n"]
        figures |= {f"{name}/{index}": total for index, total in enumerate(mean["sums"])}
        shift = {part: mean.get(part, 0) for part in ("higher", "lower", "shift", OVER, UNDER)}
        figures |= {f"{SHIFT}{mean['path']}/{part}": total for part, total in shift.items() if total}
    figures |= {NOISE + path: pairs for path, pairs in delta.get("noise", {}).items()}
    figures |= {REASON + name: records for name, records in delta.get("reasons", {}).items()}
    figures |= {EVICTIONS + name: records for name, records in delta.get("evictions", {}).items()}
    return figures | latency_figures(delta) | _named(delta) | value_figures(delta) | _of_scopes(delta)


def _named(delta: Mapping[str, Any]) -> dict[str, int]:
    if "named" not in delta:
        return {}
    if not delta["named"]:
        pairs = sum(n for name, n in delta["outcomes"].items() if name in PAIRS or name.startswith(EXPECTED))
        return {UNNAMED: pairs} if pairs else {}
    figures = {NAMING: delta["named"][0]["n"]}
    figures |= {NAMED + entry["path"]: entry["s"] - delta["fields"].get(entry["path"], 0) for entry in delta["named"]}
    return figures | {DECIDED + entry["path"]: entry["n"] for entry in delta["named"]}


def _of_scopes(delta: Mapping[str, Any]) -> dict[str, int]:
    figures: dict[str, int] = {}
    for entry in delta.get("scopes", ()):
        figures |= scoped(entry["scope"], figures_of({**entry, "fields": {}, "scopes": ()}))
    return figures


def bound_reasons(figures: Counter[str]) -> None:
    """Put the rarest reasons together as `(other)` of their outcome where there are more than `REASONS_MAX`."""
    if len(figures) <= REASONS_MAX:
        return
    named = sorted((name for name in figures if name.startswith(REASON)), key=lambda name: (-figures[name], name))
    for name in named[REASONS_MAX:]:
        outcome, reason = split_name(name.removeprefix(REASON))
        if reason != OTHER:
            figures[REASON + reason_name(outcome, OTHER)] += figures.pop(name)


def mean_name(path: str, bound: float, limit: float) -> str:
    """The figure of a mean's pairs: its sums stand against one limit and bound, and speak for no other.

    >>> mean_name("score", 2.0, 0.05)
    'mean/score/2.0/0.05'
    """
    return f"{MEAN}{path}/{bound!r}/{limit!r}"


def mean_of(criterion: Criterion) -> str:
    """The figure of a mean's or a loss's pairs."""
    return mean_name(criterion.sums, criterion.bound or 0.0, criterion.threshold)


def measured_otherwise(criterion: Criterion, figures: Mapping[str, int]) -> list[str]:
    """Thresholds that a candidate's cost was counted against, none of them the criterion's; none where its own was.

    >>> one = Criterion(rate="cost", reference_ms=2.0, ratio=1.5, limit=0.01)
    >>> measured_otherwise(one, {"cost_measured:4ms": 9}), measured_otherwise(one, {"cost_measured:3ms": 9})
    (['4ms'], [])
    """
    measured = sorted(by_prefix(COST_MEASURED, figures))
    mine = cost_names(criterion.over_ns or 0)[0].removeprefix(COST_MEASURED)
    return [] if mine in measured else measured


def summed_otherwise(criterion: Criterion, figures: Mapping[str, int]) -> list[str]:
    """Bound and limit of sums at a mean's path that are not the criterion's, in words."""
    head = f"{MEAN}{criterion.sums}/"
    summed = {tuple(name.removeprefix(head).split("/")[:2]) for name in figures if name.startswith(head)}
    mine = (repr(criterion.bound), repr(criterion.threshold))
    return [f"bound {bound} and limit {limit}" for bound, limit in sorted(summed - {mine})]


def outcomes_of(figures: Mapping[str, int]) -> dict[str, int]:
    """The outcomes among figures, as stats records name them."""
    return {
        name: units
        for name, units in figures.items()
        if not (name.startswith(_NO_OUTCOMES) or name in (NAMING, UNNAMED) or is_part(name))
    }


def ended(figures: Mapping[str, int]) -> dict[str, int]:
    """The outcomes among figures by which records of either side have ended: compared, judged or lost.

    >>> ended({"match": 2, "evicted": 1, "warm_up": 5, "field/score": 1})
    {'match': 2, 'evicted': 1}
    """
    return {name: units for name, units in figures.items() if name in _ENDED or is_of_evictions(name)}


def by_prefix(prefix: str, figures: Mapping[str, int]) -> dict[str, int]:
    """The figures behind a prefix, without it."""
    return {name.removeprefix(prefix): units for name, units in figures.items() if name.startswith(prefix)}
