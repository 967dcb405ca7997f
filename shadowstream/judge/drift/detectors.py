"""Change over time: ADWIN beside a detector whose false alarms are bounded, fed one value per closed window.

`AdwinDetector` finds small lasting changes soon and says since when; it never fires on a candidate that was wrong from
the start. `ShiryaevRoberts` alarms whenever a rate goes over its limit, from the start or later, at a known expected
number of false alarms. Both take what `WindowMerger` gives them: windows that hold enough to mean something.

All three are deterministic and keep their state as JSON with a digest. Nothing is pickled: reading a pickle from a
topic would run whatever stands in it.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
from river.__version__ import __version__ as RIVER_VERSION

from shadowstream.errors import ConfigError
from shadowstream.judge.drift.adwin import ADWIN

VERSION = 1
_SR_RATES = 8


class StateRefused(ConfigError):
    """A detector's stored state does not fit this detector. Restart the detector, and say so in an event."""


class Merged(NamedTuple):
    """Consecutive windows as one: start of the first, end of the last, ms; units, bad ones or their shares; windows."""

    start_ms: int
    end_ms: int
    n: int
    s: float
    windows: int


class WindowMerger:
    """Merges consecutive windows until they hold `min_records` units, since a rate over three units is noise.

    Windows come in time order and hold n >= s >= 0 units; empty ones before the first unit are left out.

    >>> merger = WindowMerger(10)
    >>> merger.add(0, 1000, 6, 0), merger.add(1000, 2000, 7, 1)
    (None, Merged(start_ms=0, end_ms=2000, n=13, s=1, windows=2))
    """

    def __init__(self, min_records: int) -> None:
        if min_records < 1:
            raise ConfigError(f"min_records: at least 1, got {min_records}")
        self.min_records = min_records
        self.pending: Merged | None = None

    def add(self, start_ms: int, end_ms: int, n: int, s: float) -> Merged | None:
        """The merged window that this one completes; None while there is too little. ValueError out of time order."""
        if not 0 <= s <= n or end_ms <= start_ms:
            raise ValueError(f"not a window: [{start_ms}, {end_ms}) ms with {s} bad of {n} units")
        held = self.pending
        if held is None:
            held = Merged(start_ms, start_ms, 0, 0, 0)
        elif start_ms < held.end_ms:
            raise ValueError(f"window at {start_ms} ms comes after one that ended at {held.end_ms} ms")
        held = Merged(held.start_ms, end_ms, held.n + n, held.s + s, held.windows + 1)
        full = held.n >= self.min_records
        self.pending = None if full or held.n == 0 else held
        return held if full else None

    def snapshot(self) -> dict[str, Any]:
        """State as JSON."""
        return _sealed("merger", {"min_records": self.min_records}, pending=self.pending and list(self.pending))

    def restore(self, snapshot: Mapping[str, Any]) -> None:
        """Take up a snapshot. StateRefused where it is another's, of other parameters, or damaged."""
        state = _opened("merger", {"min_records": self.min_records}, snapshot)
        self.pending = None if state["pending"] is None else Merged(*state["pending"])


@dataclass(frozen=True, slots=True)
class AdwinParams:
    """Parameters of `AdwinDetector`.

    `p_ref`: the rate that matters, the criterion's limit. `scale`: values are fed as x / (scale * p_ref), cut to
    [0, 1]: on raw rates of a percent ADWIN sees nothing, and at scale 4 a window of 1/p_ref to 25/p_ref units has the
    sd of .25 to .05 that it needs. `delta`: river's, per step and not per stream. `clock`: 1, for a step is a window
    already. `history_max`: values kept to rebuild the state from; they are most of the size of a snapshot.
    """

    p_ref: float
    scale: float = 4.0
    delta: float = 0.002
    clock: int = 1
    max_buckets: int = 5
    min_window_length: int = 5
    grace_period: int = 10
    history_max: int = 10_000

    def __post_init__(self) -> None:
        for name, value in (("p_ref", self.p_ref), ("scale", self.scale)):
            if not (math.isfinite(value) and value > 0.0):
                raise ConfigError(f"ADWIN: {name} must be a positive number, got {value}")
        if not 0.0 < self.delta < 1.0:
            raise ConfigError(f"ADWIN: delta must lie between 0 and 1, got {self.delta}")
        if self.history_max < 2 * max(self.grace_period, self.clock):
            raise ConfigError(f"ADWIN: history_max {self.history_max} is too short for a grace of {self.grace_period}")

    def scaled(self, x: float) -> float:
        """What ADWIN is fed for the value `x`."""
        return min(max(x / (self.scale * self.p_ref), 0.0), 1.0)


@dataclass(frozen=True, slots=True)
class Drift:
    """ADWIN found a change.

    `since` names the window with which the later side begins and `window` the one at which the change was seen, as
    they were named to `update`. The sides are cut where their means explain most of the values' spread, because ADWIN
    cuts at its buckets: it drops old values only until nothing is left to flag, and the mean of what it keeps holds
    much of the old state still. `before` and `after` are the sides' means of the values as given, not scaled and not
    cut, windows counted alike; `direction` is that of the scaled values, which ADWIN sees.

    `index` counts values from 0. `width` (values kept) and `estimation` (their scaled mean) are river's at the flag,
    copied because river forgets both on the next update.
    """

    direction: Literal["up", "down"]
    window: int
    since: int
    index: int
    width: int
    estimation: float
    before: float
    after: float


@dataclass(frozen=True, slots=True)
class Trimmed:
    """The history reached its limit: the oldest `dropped` values are forgotten, by the detector too; `kept` stay.

    `found`: changes that ADWIN saw on going through the newer half anew and had not seen with its longer memory (its
    buckets and its threshold depend on the length); after such a change the values before it are forgotten as well.
    """

    window: int
    dropped: int
    kept: int
    found: tuple[Drift, ...]


class AdwinDetector:
    """river's ADWIN (Bifet & Gavalda, "Learning from time-changing data with adaptive windowing", SDM 2007), guarded.

    State is the values fed since river last reset itself, and a restored detector goes through them again. That is
    exact: on the update after a flag river throws its whole window away, so nothing older has any influence, and until
    then its window is everything it was fed. Values that are not finite would poison it for ever; they are refused and
    counted in `refused`. `n_seen` counts the values that were fed.

    A history at `history_max` is cut to its newer half and the detector rebuilt from that (`Trimmed`), whether it was
    restored or never interrupted: the same values give the same detector.

    >>> detector = AdwinDetector(AdwinParams(p_ref=0.01))
    >>> found = [detector.update(hour, 0.002 if hour < 200 else 0.03) for hour in range(300)]
    >>> [(drift.direction, drift.since, drift.window) for drift in found if drift]
    [('up', 200, 216)]
    """

    def __init__(self, params: AdwinParams) -> None:
        self.params = params
        self.n_seen = 0
        self.refused = 0
        self._history: list[tuple[int, float]] = []
        self._adwin = self._new()

    @property
    def width(self) -> int:
        """Values in ADWIN's window: after a flag, the later side until the next update."""
        return int(self._adwin.width)

    @property
    def estimation(self) -> float:
        """Mean of the scaled values in ADWIN's window."""
        return float(self._adwin.estimation)

    def update(self, window: int, x: float) -> Drift | Trimmed | None:
        """Feed the value `x` of the window named `window` (its start in ms, or its number); what came of it."""
        if not math.isfinite(x):
            self.refused += 1
            return None
        self.n_seen += 1
        if self._feed(int(window), float(x)):
            return self._drift(self.n_seen - 1)
        return self._trim() if len(self._history) >= self.params.history_max else None

    def _new(self) -> Any:
        params = self.params
        return ADWIN(
            delta=params.delta,
            clock=params.clock,
            max_buckets=params.max_buckets,
            min_window_length=params.min_window_length,
            grace_period=params.grace_period,
        )

    def _feed(self, window: int, x: float) -> bool:
        if self._adwin.drift_detected:
            # river drops its window at the head of this update.
            self._history.clear()
        self._history.append((window, x))
        self._adwin.update(self.params.scaled(x))
        return bool(self._adwin.drift_detected)

    def _drift(self, index: int) -> Drift:
        scaled = np.array([self.params.scaled(x) for _, x in self._history])
        cut = _best_cut(scaled, self.params.min_window_length)
        earlier, later = self._history[:cut], self._history[cut:]
        return Drift(
            direction="up" if scaled[cut:].mean() > scaled[:cut].mean() else "down",
            window=later[-1][0],
            since=later[0][0],
            index=index,
            width=self.width,
            estimation=self.estimation,
            before=math.fsum(x for _, x in earlier) / len(earlier),
            after=math.fsum(x for _, x in later) / len(later),
        )

    def _trim(self) -> Trimmed:
        held = len(self._history)
        window = self._history[-1][0]
        found = self._rebuild(self._history[held - held // 2 :])
        kept = len(self._history)
        return Trimmed(window, held - kept, kept, tuple(found))

    def _rebuild(self, history: list[tuple[int, float]]) -> list[Drift]:
        self._history, self._adwin = [], self._new()
        first = self.n_seen - len(history)
        return [self._drift(first + at) for at, (window, x) in enumerate(history) if self._feed(window, x)]

    def snapshot(self) -> dict[str, Any]:
        """State as JSON, of at most `history_max` values."""
        return _sealed(
            "adwin",
            asdict(self.params),
            river=RIVER_VERSION,
            n_seen=self.n_seen,
            refused=self.refused,
            windows=[window for window, _ in self._history],
            values=[x for _, x in self._history],
        )

    def restore(self, snapshot: Mapping[str, Any]) -> None:
        """Take up a snapshot. StateRefused where it is of another river, of other parameters, or damaged."""
        state = _opened("adwin", asdict(self.params), snapshot)
        if state["river"] != RIVER_VERSION:
            raise StateRefused(
                f"adwin: the state was made with river {state['river']} and this is {RIVER_VERSION}, which may decide "
                "otherwise on the same values; restart the detector or install that version"
            )
        self._rebuild(list(zip(state["windows"], state["values"], strict=True)))
        self.n_seen, self.refused = state["n_seen"], state["refused"]


class ShiryaevRoberts:
    """The Shiryaev-Roberts e-detector of a rate over `p1`: false alarms come on average at least `level` windows apart.

    M_t(k) = (M_{t-1}(k) + w_k) L_k(x_t), L_k a window's likelihood ratio of q_k against p1, w_k = 1/8, and
    q_k = p1 * geomspace(1.25, 64, 8), cut at .99; alarm when the sum over k reaches `level`. No independence is
    assumed, only that each unit is bad with a probability of at most p1 given the past (Shin, Ramdas & Rinaldo,
    "E-detectors", NEJSDS; arXiv 2203.03532). State is eight floats, kept as logs: a bad window
    alone may be worth e^1000.

    >>> detector = ShiryaevRoberts(0.01, level=alarm_level(detectors=4, windows=1000, false_alarms=1.0))
    >>> [detector.update(500, bad) for bad in (2, 4, 3, 40)]
    [False, False, False, True]
    """

    def __init__(self, p1: float, level: float) -> None:
        if not 0.0 < p1 < 0.99:
            raise ConfigError(f"Shiryaev-Roberts: the limit must lie between 0 and .99, got {p1}")
        if not (math.isfinite(level) and level > 1.0):
            raise ConfigError(f"Shiryaev-Roberts: the alarm level is a number of windows over 1, got {level}")
        self.p1 = p1
        self.level = level
        rates = np.minimum(p1 * np.geomspace(1.25, 64.0, _SR_RATES), 0.99)
        self._log_bad = [math.log(rate / p1) for rate in rates.tolist()]
        self._log_good = [math.log1p(-rate) - math.log1p(-p1) for rate in rates.tolist()]
        self._log_m = [-math.inf] * _SR_RATES

    def update(self, n: int, s: float) -> bool:
        """Take a window of `n` units of which `s` are bad (or shares that add up to it); whether it is an alarm."""
        if not 0 <= s <= n:
            raise ValueError(f"not a window: {s} bad of {n} units")
        log_w = -math.log(_SR_RATES)
        self._log_m = [
            _log_sum((log_m, log_w)) + s * bad + (n - s) * good
            for log_m, bad, good in zip(self._log_m, self._log_bad, self._log_good, strict=True)
        ]
        return self.alarm

    @property
    def log_evidence(self) -> float:
        """Natural log of the sum over k of M_t(k); -inf before the first window."""
        return _log_sum(self._log_m)

    @property
    def alarm(self) -> bool:
        """Whether the evidence stands at the alarm level or over it."""
        return self.log_evidence >= math.log(self.level)

    def reset(self) -> None:
        """Begin anew, as after an alarm that has been dealt with: the next alarm is counted from here."""
        self._log_m = [-math.inf] * _SR_RATES

    def snapshot(self) -> dict[str, Any]:
        """State as JSON; null stands for no evidence at all, since JSON has no infinity."""
        return _sealed(
            "shiryaev-roberts",
            {"p1": self.p1, "level": self.level},
            log_m=[log_m if math.isfinite(log_m) else None for log_m in self._log_m],
        )

    def restore(self, snapshot: Mapping[str, Any]) -> None:
        """Take up a snapshot. StateRefused where it is another's, of other parameters, or damaged."""
        state = _opened("shiryaev-roberts", {"p1": self.p1, "level": self.level}, snapshot)
        self._log_m = [-math.inf if log_m is None else log_m for log_m in state["log_m"]]


def alarm_level(detectors: int, windows: float, false_alarms: float) -> float:
    """Alarm level c = K T / B: K `detectors` over T `windows` each raise at most B `false_alarms` on average.

    >>> alarm_level(detectors=4, windows=1000, false_alarms=0.5)
    8000.0
    """
    return detectors * windows / false_alarms


def _best_cut(values: npt.NDArray[np.float64], least: int) -> int:
    """Where to cut `values` in two, each of at least `least`, for the greatest sum of squares between the sides."""
    n = len(values)
    sizes = np.arange(1, n)
    sums = np.cumsum(values)[:-1]
    between = (sums - sizes * values.mean()) ** 2 * (n / (sizes * (n - sizes)))
    allowed = between[least - 1 : n - least]
    return least + int(np.argmax(allowed))


def _log_sum(logs: list[float] | tuple[float, ...]) -> float:
    greatest = max(logs)
    if math.isinf(greatest):
        return greatest
    return greatest + math.log(math.fsum(math.exp(log - greatest) for log in logs))


def _sealed(kind: str, params: Mapping[str, Any], **state: Any) -> dict[str, Any]:
    body = {"kind": kind, "version": VERSION, "params": dict(params), **state}
    return body | {"sha256": _digest(body)}


def _opened(kind: str, params: Mapping[str, Any], snapshot: Mapping[str, Any]) -> Mapping[str, Any]:
    body = {name: item for name, item in snapshot.items() if name != "sha256"}
    if body.get("kind") != kind or body.get("version") != VERSION:
        raise StateRefused(
            f"{kind}: this is a state of {body.get('kind')!r} in version {body.get('version')!r}, wanted {kind!r} in "
            f"version {VERSION}; restart the detector"
        )
    if snapshot.get("sha256") != _digest(body):
        raise StateRefused(
            f"{kind}: the state does not have the digest it claims, so it is damaged; restart the detector"
        )
    if body["params"] != dict(params):
        raise StateRefused(
            f"{kind}: the state belongs to the parameters {body['params']}, now they are {dict(params)}; "
            "restart the detector"
        )
    return body


def _digest(body: Mapping[str, Any]) -> str:
    canonical = json.dumps(body, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()
