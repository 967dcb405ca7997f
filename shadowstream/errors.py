"""Errors by cause and by the caller's reaction.

=====================  =====================================================  =========
error                  cause, and reaction                                    exit code
=====================  =====================================================  =========
`ConfigError`          the operator's input: report what, where, remedy       2
`IsolationError`       a plan that would affect production: never caught      1
`RecordError`          this record: dead letter, counted, stream continues    none
`BrokerError`          the broker: retry, abort and rewind, or exit           1
`TakenOver`            another run has taken this place: exit for good        5
`StoreError`           the local disk: exit, and the supervisor tries again   1
`RegistryError`        the schema registry: records wait for their schema     none
`CandidateError`       the candidate: an outcome, never a crash               none
`CandidateDown`        the candidate's process: inputs wait for a new one     none
`ShadowstreamBug`      shadowstream itself: please report                     1
=====================  =====================================================  =========
"""


class ShadowstreamError(Exception):
    """Root of all errors that shadowstream raises deliberately."""


class ConfigError(ShadowstreamError):
    """The operator's input is unusable; the message names the problem, the place and the remedy."""


class IsolationError(ShadowstreamError):
    """Continuing could write to production, commit to its group or slow it down. Never caught."""


class RecordError(ShadowstreamError):
    """One record is unusable. It gets a dead letter and exactly one outcome. `reason` is a short stable word
    (``framing``, ``schema``, ``decode``, ``bounds``, ``answer``) for counting."""

    def __init__(self, message: str, *, reason: str) -> None:
        super().__init__(message)
        self.reason = reason


class BrokerError(ShadowstreamError):
    """The broker or the client failed. `retriable`: repeat the same call. `abortable`: abort the transaction, load the
    committed state, seek, continue. Neither: the process ends and its supervisor restarts it."""

    def __init__(self, message: str, *, retriable: bool = False, abortable: bool = False, fatal: bool = False) -> None:
        super().__init__(message)
        self.retriable = retriable
        self.abortable = abortable
        self.fatal = fatal


class TakenOver(BrokerError):
    """A later run of the same trial and instance has taken this process's place. After a restart, this process would
    evict the later run in turn, and so on forever. So it ends for good."""

    def __init__(self, message: str) -> None:
        super().__init__(message, fatal=True)


class StoreError(ShadowstreamError):
    """The local disk is full or fails. Its content can be restored from the broker."""


class RegistryError(BrokerError):
    """The schema registry is unavailable: records that need an unknown schema wait, all others continue."""

    pause_s = 1.0

    def __init__(self, message: str) -> None:
        super().__init__(message, retriable=True)


class CandidateError(ShadowstreamError):
    """The candidate failed on one input; an observation like any other. The message names the kind of failure before a
    colon. `absence`: error, timeout or crashed (schemas/mark.avsc)."""

    def __init__(self, message: str, *, absence: str = "error") -> None:
        super().__init__(message)
        self.absence = absence


class CandidateDown(ShadowstreamError):
    """The candidate's own process has ended or rests. The inputs of the call have no answer yet: they are read again
    after `pause_s`. `absence`: crashed or timeout if this call ended the process; None if the process rests.
    `state_lost`: objects with state have ended with it, so the runner must go back to its commit."""

    def __init__(self, message: str, *, absence: str | None = None, pause_s: float = 0.0) -> None:
        super().__init__(message)
        self.absence, self.pause_s, self.state_lost = absence, pause_s, False


class ShadowstreamBug(ShadowstreamError):
    """A violated invariant of shadowstream. The message names the rule."""
