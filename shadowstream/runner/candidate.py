"""Loading and calling of the candidate. Every behaviour of the candidate becomes an observation.

The callable takes one decoded value, or a list of them (`takes: batch`). For each value it returns ``None`` (no
output), a value (one output with the input's key), an `Output`, or a list of these. A candidate with state is a class:
the runner creates one object for each input partition (`candidate_state`).
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from shadowstream.entry_points import load_entry_point, refusal
from shadowstream.errors import CandidateError, ConfigError, ShadowstreamBug
from shadowstream.pickled_models import load_pickled
from shadowstream.runner.outputs import Call, CandidateObject, outputs_of, outputs_of_each

if TYPE_CHECKING:  # the candidate's own process starts faster without these
    from shadowstream.config import Candidate
    from shadowstream.runner.cpu_cost import Meter
    from shadowstream.runner.current_call import CallTracker

KINDS_MAX = 32
STACK_CHARS_MAX = 4_000


def failure_of(error: BaseException) -> CandidateError:
    """Convert an exception to its type and text, even if its `__str__` raises."""
    if isinstance(error, CandidateError):
        return CandidateError(f"output refused: {error}")
    try:
        text = str(error)
    except Exception:  # noqa: BLE001 - an exception class of the candidate may raise here too
        text = ""
    kind = type(error).__name__
    return CandidateError(f"{kind}: {text}"[:500] if text else kind)


class FailureKinds:
    """Kinds of failure, by type and line, that have been described with a traceback: the first `KINDS_MAX`."""

    def __init__(self) -> None:
        self._known: set[tuple[str, str, int]] = set()

    def stack_of_new(self, error: BaseException) -> str | None:
        """Return the stack of an exception of the candidate; None if its kind is known."""
        last = error.__traceback__
        while last is not None and last.tb_next is not None:
            last = last.tb_next
        at = ("", 0) if last is None else (last.tb_frame.f_code.co_filename, last.tb_lineno)
        kind = (type(error).__name__, *at)
        if kind in self._known or len(self._known) >= KINDS_MAX:
            return None
        self._known.add(kind)
        frames = traceback.extract_tb(error.__traceback__)[1:]  # the first is the call itself
        return "".join(traceback.format_list(frames))[-STACK_CHARS_MAX:]


class CallObserver:
    """Observer of the events within a call. `enough`: whether a call with single values ends after this value."""

    def __init__(
        self,
        calls: CallTracker | None = None,
        raised: Callable[[BaseException, CandidateError], None] | None = None,
        enough: Callable[[], bool] = lambda: False,
    ) -> None:
        self._calls, self._raised, self.enough = calls, raised, enough

    def answer(self, answers: Sequence[Any]) -> None:
        """Note that the call takes values one by one from now on, and appends each answer to `answers`."""
        if self._calls is not None:
            self._calls.answer(answers)

    def failure(self, error: BaseException) -> CandidateError:
        failure = failure_of(error)
        if self._raised is not None:
            self._raised(error, failure)
        return failure


NO_OBSERVER = CallObserver()


def check_trusted(candidate: Candidate) -> None:
    """Raise `ConfigError` if the candidate would run inside the runner without `trusted: true` in the config."""
    if candidate.call is not None and candidate.isolation == "in-process" and not candidate.trusted:
        raise ConfigError(
            f"candidate.trusted: {candidate.call} would run inside the runner's process, with its credentials; "
            "remove `isolation: in-process`, or set `trusted: true` if you accept that (every verdict will show it)"
        )


def _imported(candidate: Candidate) -> Callable[..., Any]:
    """Import `candidate.call`. Raises `ConfigError` if it cannot be imported or called, or is not trusted."""
    pickled = candidate.pickle
    if bool(candidate.call) == (pickled is not None) or (pickled is not None and candidate.isolation != "process"):
        raise ShadowstreamBug("only a function, or a pickled model in a process of its own, can be called")
    check_trusted(candidate)
    if "" not in sys.path:
        sys.path.insert(0, "")  # finds a candidate next to the config, like `python -m`
    if pickled is not None:
        function = load_pickled(pickled)
    else:
        function = load_entry_point(candidate.call or "", "candidate.call")
    refused = refusal(function, 0 if candidate.state != "none" else 1)
    if refused is not None:  # all its calls would fail, or return an awaitable
        named = f"candidate.call: {candidate.call!r}" if pickled is None else f"candidate.pickle: {pickled.path}"
        raise ConfigError(f"{named} {refused}")
    return function


def load(candidate: Candidate, meter: Meter | None = None, observer: CallObserver = NO_OBSERVER) -> Call:
    """Import the candidate and return a function from values to outputs or errors, measured by `meter`.

    It returns one entry for each value, or only the first ones if `observer.enough()`. Raises as `_imported` does.
    """
    calls = _call_batches if candidate.takes == "batch" else _call_values
    return calls(_imported(candidate), meter, observer)


def load_stateful(
    candidate: Candidate, meter: Meter | None = None, observer: CallObserver = NO_OBSERVER
) -> Callable[[], CandidateObject]:
    """Import a candidate with state and return a factory of its objects, whose calls `meter` measures.

    One object is created at once. Raises `ConfigError` as `load` does, and if that fails or lacks a required method.
    """
    function = _imported(candidate)

    def make() -> CandidateObject:
        try:
            made = function()
        except Exception as error:  # user code can raise anything
            raise ConfigError(
                f"candidate.call: {candidate.call}() raised {error!r}; under candidate.state: {candidate.state} it "
                "must be a class that can be created without arguments, once for each input partition"
            ) from error
        required = ("__call__", "snapshot", "restore") if candidate.state == "snapshot" else ("__call__",)
        lacking = [name for name in required if not callable(getattr(made, name, None))]
        if lacking:
            raise ConfigError(
                f"candidate.call: {candidate.call}() gave a {type(made).__name__} without {', '.join(lacking)}; "
                f"candidate.state: {candidate.state} requires {', '.join(required)}"
            )
        return CandidateObject(made, _call_values(made, meter, observer))

    make()
    return make


def _call_values(function: Callable[[Any], Any], meter: Meter | None, observer: CallObserver) -> Call:
    measured = function if meter is None else meter.of_values(function)
    return partial(_one_by_one, lambda value: outputs_of(measured(value)), observer)


def _one_by_one(call: Callable[[Any], Any], observer: CallObserver, values: Sequence[Any]) -> list[Any]:
    """Call with each value; return the result or the error of each, up to the value after which it is enough."""
    results: list[Any] = []
    enough = observer.enough
    observer.answer(results)
    for value in values:
        try:
            results.append(call(value))
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001 - any exception, sys.exit too, is an observation
            results.append(observer.failure(error))
        if enough():
            break
    return results


def _call_batches(function: Callable[[list[Any]], Any], meter: Meter | None, observer: CallObserver) -> Call:
    measured = function if meter is None else meter.of_batches(function)

    def once(values: list[Any]) -> list[Any]:
        returned = measured(values)
        if not isinstance(returned, list) or len(returned) != len(values):
            size = len(returned) if isinstance(returned, list) else type(returned).__name__
            raise CandidateError(f"a batch of {len(values)} values must return a list of that length, got {size}")
        return outputs_of_each(returned)

    def call(values: Sequence[Any]) -> list[Any]:
        try:
            return once(list(values))
        except KeyboardInterrupt:
            raise
        except BaseException:  # noqa: BLE001 - single calls follow, so that the error names its input
            if meter is not None:
                meter.forget(len(values))
            return _one_by_one(lambda value: once([value])[0], observer, values)

    return call
