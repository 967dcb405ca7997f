"""Units of a latency quantile: pairs with both latencies, by bucket of the sketch of each side.

Numbers are n, 0, and then by bucket 2 * bucket + side and its pairs. They add up bucket by bucket. A pair is bad if the
candidate's latency is beyond `ratio` times production's quantile as observed, so the rate's limit is 1 - quantile. The
evidence does not rest on that estimate (`evidence.quantiles`).
"""

from collections.abc import Mapping
from typing import Any

from shadowstream.config import Config, Criterion
from shadowstream.judge.evidence.quantiles import LOG_ARMS, Arm, RatioEvidence, edges_times
from shadowstream.judge.evidence.rates import critical_n
from shadowstream.judge.latency_sketch import Sketch, quantile_bucket, sketch_of
from shadowstream.judge.verdict import signed_units
from shadowstream.judge.verdict.criterion_units import Buckets, Measure, Numbers
from shadowstream.protocol.latency_buckets import edge_ms

_TIMES_MAX = 2.0**20
_HALVINGS = 12


class ByQuantile(Measure):
    """Pairs of which each has a latency on both sides."""

    def __init__(self, criterion: Criterion, config: Config) -> None:
        super().__init__(criterion, config)
        self.quantile, self.ratio = criterion.quantile or 0.0, criterion.ratio or 0.0

    @property
    def nothing(self) -> Numbers:
        """No pair."""
        return (0, 0)

    @property
    def is_of_shares(self) -> bool:
        """Always: no latency can be subtracted from a sketch as excused."""
        return True

    def raw(self, figures: Mapping[str, int], buckets: Buckets) -> Numbers:
        """Return the pairs of a window by side and bucket."""
        name = self.rate.n[0]
        sketch = sketch_of(figures, name.removesuffix("latency_pairs"))
        return _flat(figures.get(name, 0), sketch)

    def added(self, first: Numbers, second: Numbers) -> Numbers:
        """Add two sketches bucket by bucket."""
        counts = _pairs(first)
        for key, n in _pairs(second).items():
            counts[key] = counts.get(key, 0) + n
        return _numbers(first[0] + second[0], counts)

    def possible(self, amount: Numbers) -> bool:
        """Return whether both sides have as many latencies as there are pairs."""
        sketch = sketch_in(amount)
        return all(sum(side.values()) == amount[0] and min(side.values(), default=0) >= 0 for side in sketch)

    def bad(self, amount: Numbers) -> float:
        """Return the candidate's latencies beyond `ratio` times production's observed quantile."""
        sketch = sketch_in(amount)
        edge = edges_times(quantile_bucket(sketch.production, self.quantile), self.ratio)
        return sum(n for bucket, n in sketch.candidate.items() if bucket > edge)

    def log_e(self, amount: Numbers) -> tuple[float, float]:
        """Return the ln E of both sides together."""
        evidence = self._evidence(amount)
        return (evidence.log_e_below(), evidence.log_e_above()) if amount[0] else (0.0, 0.0)

    def log_e_above(self, amount: Numbers, effect: float = 1.0) -> float:
        """Return ln E for "over" where `effect` pairs count as one."""
        return self._evidence(amount).log_e_above(effect) if amount[0] else 0.0

    def _evidence(self, amount: Numbers) -> RatioEvidence:
        return RatioEvidence(sketch_in(amount), self.quantile, self.ratio)

    def units_needed(self, amount: Numbers) -> int | None:
        """Return about how many pairs show the candidate under the ratio if further ones are like these."""
        n = amount[0]
        if n == 0:
            return int(critical_n(0, self.limit, self.alpha / 2.0))
        evidence, low, high = self._evidence(amount), 0.0, 1.0
        while evidence.log_e_below(1.0 / high) < self.log_promote_at:
            low, high = high, 2.0 * high
            if high > _TIMES_MAX:
                return None
        for _ in range(_HALVINGS if low else 0):
            middle = (low + high) / 2.0
            shown = evidence.log_e_below(1.0 / middle) >= self.log_promote_at
            low, high = (low, middle) if shown else (middle, high)
        return -int(-n * high // 1)

    @property
    def _trailing_least(self) -> int:
        return 2 * int(critical_n(0, self.limit, self.alpha / 2.0))

    def quantiles(self, amount: Numbers) -> list[dict[str, Any]]:
        """Return the quantile of both sides with its limits, each at half of `alpha`, as in schemas/verdict.avsc."""
        need = self.log_promote_at + LOG_ARMS
        found = []
        for side, counts in zip(("production", "candidate"), sketch_in(amount), strict=True):
            arm = Arm(counts, self.quantile)
            limits = (arm.lower(need), arm.upper(need)) if amount[0] else (None, None)
            lower, upper = (None if edge is None else edge_ms(edge) for edge in limits)
            estimate = edge_ms(quantile_bucket(counts, self.quantile)) if amount[0] else None
            found.append({"side": side, "quantile": self.quantile, "ms": estimate, "lower": lower, "upper": upper})
        return found

    def sentence(self, record: Mapping[str, Any]) -> str:
        """Return the status of a criterion with pairs as a sentence, whether it passed or not."""
        production, candidate = record["quantiles"]
        word = f"p{100 * self.quantile:.6g}"
        both = (
            f"the candidate's {word} is {candidate['ms']:.4g} ms {_between(candidate)}, production's "
            f"{production['ms']:.4g} ms {_between(production)}"
        )
        if record["log_e_below"] >= self.log_promote_at:
            found = f"it is shown to lie under {self.ratio:g} times production's"
        elif record["bad"] >= record["n"] * self.limit:
            found = (
                f"that is {self.ratio:g} times production's or more: more records alone will not show it good; make "
                "the candidate faster, or set another ratio if this one is not meant"
            )
        elif record["units_needed"] is None:
            found = f"that is too near {self.ratio:g} times production's for any number of pairs"
        else:
            found = (
                f"that does not show it to lie under {self.ratio:g} times production's yet; about "
                f"{record['units_needed']} pairs like these are needed, {record['units_needed'] - record['n']} more"
            )
        return f"{self.id}: by {record['n']} {self.units} {both}; {found}"

    def shown_over(self, amount: Numbers, above: float, effect: float = 1.0) -> str:
        """Return the sentence of an excess."""
        production, candidate = self.quantiles(amount)
        clusters = f", as slow ones cluster {effect:.3g} count as one" if effect > 1.0 else ""
        return (
            f"{self.id}: by {amount[0]} {self.units} the candidate's {candidate['ms']:.4g} ms is shown to be over "
            f"{self.ratio:g} times production's {production['ms']:.4g} ms (ln E {above:.4g}, needed "
            f"{self.log_reject_at:.4g}{clusters})"
        )


def measure_of(criterion: Criterion, config: Config) -> Measure:
    """Return the measure of a criterion."""
    if criterion.rate == "latency":
        return ByQuantile(criterion, config)
    return signed_units.measure_of(criterion, config)


def sketch_in(numbers: Numbers) -> Sketch:
    """Return the sketch that numbers hold."""
    sketch = Sketch({}, {})
    for key, n in _pairs(numbers).items():
        sketch[key % 2][key // 2] = n
    return sketch


def _between(entry: Mapping[str, Any]) -> str:
    lower = "0" if entry["lower"] is None else f"{entry['lower']:.4g}"
    return f"({lower} to {'any' if entry['upper'] is None else format(entry['upper'], '.4g')})"


def _flat(n: int, sketch: Sketch) -> Numbers:
    sides = enumerate(sketch)
    return _numbers(n, {2 * bucket + side: pairs for side, counts in sides for bucket, pairs in counts.items()})


def _pairs(numbers: Numbers) -> dict[int, int]:
    return dict(zip(numbers[2::2], numbers[3::2], strict=True))


def _numbers(n: int, counts: Mapping[int, int]) -> Numbers:
    return (n, 0, *(number for key in sorted(counts) if counts[key] for number in (key, counts[key])))
