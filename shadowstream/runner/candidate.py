"""Load the candidate and call it so that whatever it does is an observation.

The callable takes one decoded value, or a list of them (`takes: batch`). It returns, per value: ``None`` (no
output), a value (one output with the input's key), an `Output`, or a list of these. A candidate with state is a class:
its objects, one for each input partition, are what is called (`stateful`).
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any

from shadowstream.compare.hooks import refusal
from shadowstream.config import Candidate
from shadowstream.entry_points import load_entry_point
from shadowstream.errors import CandidateError, ConfigError, ShadowstreamBug
from shadowstream.runner.candidate_state import Made
from shadowstream.runner.cpu_cost import Meter
from shadowstream.runner.current_call import Calls, never
from shadowstream.runner.outputs import Call, Output, outputs_of, outputs_of_each


def failure_of(error: BaseException) -> CandidateError:
    """What was raised as its type and its text, whatever that text does when it is asked for."""
    if isinstance(error, CandidateError):
        return CandidateError(f"output refused: {error}")
    try:
        text = str(error)
    except Exception:  # noqa: BLE001 - a class of the candidate's may raise here too
        text = ""
    kind = type(error).__name__
    return CandidateError(f"{kind}: {text}"[:500] if text else kind)


class Told:
    """Hears of what goes on within a call. `enough`: whether a call that asks for values one by one ends after this
    one, and leaves the rest to the next."""

    def __init__(
        self,
        calls: Calls | None = None,
        raised: Callable[[BaseException, CandidateError], None] | None = None,
        enough: Callable[[], bool] = never,
    ):
        self._calls, self._raised, self.enough = calls, raised, enough

    def answer(self, answers: Sequence[Any]) -> None:
        """Values are asked for one by one, each answer is added to these."""
        if self._calls is not None:
            self._calls.answer(answers)

    def failure(self, error: BaseException) -> CandidateError:
        """What the candidate raised, as the error of one value."""
        failure = failure_of(error)
        if self._raised is not None:
            self._raised(error, failure)
        return failure


NOBODY = Told()


def check_trusted(candidate: Candidate) -> None:
    """Raises `ConfigError` where the candidate would run inside the runner and nobody has said that it may."""
    if candidate.call is not None and not candidate.trusted:
        raise ConfigError(
            f"candidate.trusted: {candidate.call} would run inside the runner's process, with its credentials; "
            "set `trusted: true` if you accept that (every verdict will show it)"
        )


def _imported(candidate: Candidate) -> Callable[..., Any]:
    """What `candidate.call` names.

    Raises `ConfigError` where it cannot be imported, is not callable, or is not declared trusted: a process of
    its own comes with the sandbox, until then running it here must be said out loud.
    """
    if candidate.call is None:
        raise ShadowstreamBug("a candidate that is a job of its own is watched, not called")
    check_trusted(candidate)
    if "" not in sys.path:
        sys.path.insert(0, "")  # a candidate beside the config, as `python -m` would find it
    function = load_entry_point(candidate.call, "candidate.call")
    check_callable(candidate, function)
    return function


def check_callable(candidate: Candidate, function: Any) -> None:
    """Raises `ConfigError` where each call would fail, or give what nobody awaits."""
    refused = refusal(function, 0 if candidate.state != "none" else 1)
    if refused is not None:
        raise ConfigError(f"candidate.call: {candidate.call!r} {refused}")


def load(candidate: Candidate, meter: Meter | None = None, told: Told = NOBODY) -> Call:
    """Import the candidate and return a function from values to outputs or errors, one entry a value, or for the first
    of them where `told` says that it is enough. `meter` takes the cost of its calls, `told` is told of each value that
    is asked for and of what the candidate raises.

    Raises `ConfigError` as `_imported` does.
    """
    function = _imported(candidate)
    return _call_batches(function, meter, told) if candidate.takes == "batch" else _call_values(function, meter, told)


def load_stateful(candidate: Candidate, meter: Meter | None = None, told: Told = NOBODY) -> Callable[[], Made]:
    """Import a candidate with state and return what makes a new object of it, called for each input partition. `meter`
    takes the cost of all their calls.

    Raises `ConfigError` as `_imported` does, or where an object cannot be made or lacks what its kind of state asks
    for; one is made now to see that.
    """
    function = _imported(candidate)

    def make() -> Made:
        try:
            made = function()
        except Exception as error:  # user code can raise anything
            raise ConfigError(
                f"candidate.call: {candidate.call}() raised {error!r}; under candidate.state: {candidate.state} it is "
                "a class, made without arguments for each input partition"
            ) from error
        asked = ("__call__", "snapshot", "restore") if candidate.state == "snapshot" else ("__call__",)
        lacking = [name for name in asked if not callable(getattr(made, name, None))]
        if lacking:
            raise ConfigError(
                f"candidate.call: {candidate.call}() gave a {type(made).__name__} without {', '.join(lacking)}; "
                f"candidate.state: {candidate.state} asks for {', '.join(asked)}"
            )
        return Made(made, _call_values(made, meter, told))

    make()
    return make


def _call_values(function: Callable[[Any], Any], meter: Meter | None, told: Told) -> Call:
    asked, enough = function if meter is None else meter.of_values(function), told.enough

    def call(values: Sequence[Any]) -> list[list[Output] | CandidateError]:
        results: list[list[Output] | CandidateError] = []
        told.answer(results)
        for value in values:
            try:
                results.append(outputs_of(asked(value)))
            except KeyboardInterrupt:
                raise
            except BaseException as error:  # noqa: BLE001 - whatever it raises, sys.exit too, is a value like any other
                results.append(told.failure(error))
            if enough():
                break
        return results

    return call


def _call_batches(function: Callable[[list[Any]], Any], meter: Meter | None, told: Told) -> Call:
    asked = function if meter is None else meter.of_batches(function)

    def once(values: list[Any]) -> list[Any]:
        returned = asked(values)
        if not isinstance(returned, list) or len(returned) != len(values):
            size = len(returned) if isinstance(returned, list) else type(returned).__name__
            raise CandidateError(f"a batch of {len(values)} values must return a list of that length, got {size}")
        return outputs_of_each(returned)

    def call(values: Sequence[Any]) -> list[Any]:
        try:
            return once(list(values))
        except KeyboardInterrupt:
            raise
        except BaseException:  # noqa: BLE001 - one of them failed: one by one, so that the error names its input
            if meter is not None:
                meter.forget(len(values))
            results: list[Any] = []
            told.answer(results)
            for value in values:
                try:
                    results += once([value])
                except KeyboardInterrupt:
                    raise
                except BaseException as error:  # noqa: BLE001 - as above
                    results.append(told.failure(error))
                if told.enough():
                    break
            return results

    return call
