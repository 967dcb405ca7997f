"""Loading of the runner's candidate, in a process of its own or in the runner's, and the watch over its calls."""

import contextlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from shadowstream.config import Config
from shadowstream.health import RoleHealth
from shadowstream.kafka.batch_size import CallSize
from shadowstream.kafka.call_watch import SHOWN_AFTER_S, CallWatch
from shadowstream.kafka.client.consumers import GuardedWriter
from shadowstream.kafka.step_time import StepTime, timed
from shadowstream.kafka.trial.attempt_log import FirstFailures, attempt_writer
from shadowstream.runner import candidate
from shadowstream.runner.candidate_attempts import Attempts
from shadowstream.runner.candidate_state import Stateful
from shadowstream.runner.cpu_cost import Meter, meter_of
from shadowstream.runner.outputs import Call, CandidateObject
from shadowstream.worker.isolated import CallNotes, IsolatedCandidate


@dataclass(frozen=True, slots=True)
class LoadedCandidate:
    """The candidate, loaded: `call_of` gives its call from the partitions of production's outputs.

    `isolated` is its own process; None if it runs in the runner's.
    """

    attempts: Attempts
    meter: Meter | None
    isolated: IsolatedCandidate | None
    call_of: Callable[[Mapping[str, int]], Call | Stateful]

    def forget(self) -> None:
        """Drop the objects of partitions that were taken away."""
        if self.isolated is not None:
            self.isolated.forget()

    def watched(self, config: Config, watch: RoleHealth) -> contextlib.AbstractContextManager[object]:
        """Return a context that limits the time of calls, and ends the candidate's process at its end."""
        if self.isolated is not None:
            return contextlib.closing(self.isolated)
        return contextlib.closing(CallWatch(self.attempts.calls, config, watch, self.attempts.timed_out))


def load(
    config: Config, revision: str, writer: GuardedWriter, watch: RoleHealth, times: tuple[CallSize, StepTime]
) -> LoadedCandidate:
    """Load the candidate at once. Raises `ConfigError` if it cannot be loaded, or would need `trusted: true`."""
    call_size, step_time = times
    in_process = config.candidate.isolation == "in-process"
    write = attempt_writer(writer) if in_process else None
    attempts = Attempts(config.plan.of("attempts"), revision, write, step_time.up)
    meter, failures = meter_of(config, time.thread_time_ns), FirstFailures(config)
    isolated = None

    def timing(call: Call) -> Call:
        return timed(call, watch, call_size, attempts.calls, step_time.up)

    def waiting(seconds: float) -> None:
        """Show that the role makes progress while a call may still answer, and which one it is."""
        watch.turned()
        asked = attempts.calls.now() if seconds >= SHOWN_AFTER_S else None
        limit = f"(candidate.timeout_ms: {config.candidate_timeout_ms})"
        watch.busy = f"the candidate's call for {asked} has taken {seconds:.0f} s {limit}" if asked else ""

    def timed_object(make: Callable[[], CandidateObject]) -> CandidateObject:
        made = make()
        return made._replace(call=timing(made.call))

    has_state = config.candidate.state != "none"
    if in_process:
        observer = candidate.CallObserver(attempts.calls, failures.raised, step_time.up)
        if has_state:
            make = candidate.load_stateful(config.candidate, meter, observer)
        else:
            call = timing(candidate.load(config.candidate, meter, observer))
    else:
        isolated = IsolatedCandidate(config, meter, CallNotes(waiting, failures.described))
        isolated.start()
        make, call = isolated.make, timing(isolated.call)

    def call_of(partitions: Mapping[str, int]) -> Call | Stateful:
        if not has_state:
            return call
        return Stateful(config, revision, lambda: timed_object(make), max(partitions.values()))

    return LoadedCandidate(attempts, meter, isolated, call_of)
