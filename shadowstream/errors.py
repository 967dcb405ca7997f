"""Whose fault an error is, and what the caller must do about it.

=====================  =====================================================  =========
error                  whose, and what follows                                exit code
=====================  =====================================================  =========
`ConfigError`          the operator's: say what, where, what to do            2
`IsolationError`       the plan would touch production: never caught          1
`RecordError`          this record's: dead letter, counted, stream goes on    none
`BrokerError`          the broker's: retry, abort and rewind, or exit         1
`TakenOver`            nobody's: another run has this place, exit for good    5
`StoreError`           the disk's here: exit, and its supervisor tries again    1
`RegistryError`        the schema registry's: what needs the schema waits     none
`CandidateError`       the candidate's: an outcome, never a crash             none
`ShadowstreamBug`      ours: please report                                    1
=====================  =====================================================  =========
"""

from __future__ import annotations


class ShadowstreamError(Exception):
    """Root of every error that shadowstream raises on purpose."""


class ConfigError(ShadowstreamError):
    """What the operator gave cannot be used; the message says what, where and what to do."""


class IsolationError(ShadowstreamError):
    """Going on could write to production, commit to its group or slow it down. Never caught."""


class RecordError(ShadowstreamError):
    """One record cannot be used. It ends in the dead letter and in exactly one outcome.

    `reason` is a short stable word (``framing``, ``schema``, ``decode``, ``bounds``) for counting.
    """

    def __init__(self, message: str, *, reason: str) -> None:
        super().__init__(message)
        self.reason = reason


class BrokerError(ShadowstreamError):
    """The broker or the client failed.

    `retriable`: the same call again. `abortable`: abort the transaction, load the committed state, seek, go on.
    Neither: the process ends and its supervisor starts it again.
    """

    def __init__(self, message: str, *, retriable: bool = False, abortable: bool = False, fatal: bool = False) -> None:
        super().__init__(message)
        self.retriable = retriable
        self.abortable = abortable
        self.fatal = fatal


class TakenOver(BrokerError):
    """A later run of the same trial and instance has this process's place. Started again, it would throw that one
    out, and so on for ever: it ends for good."""

    def __init__(self, message: str) -> None:
        super().__init__(message, fatal=True)


class StoreError(ShadowstreamError):
    """This machine's disk is full or fails. What was kept on it can be had again from the broker."""


class RegistryError(BrokerError):
    """The schema registry cannot be asked now: what needs a schema that is not known yet waits, all else goes on."""

    def __init__(self, message: str) -> None:
        super().__init__(message, retriable=True)


class CandidateError(ShadowstreamError):
    """The candidate failed on one input; an observation like any other.

    The message names the kind of failure before a colon. `absence`: error, timeout or crashed (schemas/mark.avsc).
    """

    def __init__(self, message: str, *, absence: str = "error") -> None:
        super().__init__(message)
        self.absence = absence


class ShadowstreamBug(ShadowstreamError):
    """A state that our own rules forbid. The message says which rule."""
