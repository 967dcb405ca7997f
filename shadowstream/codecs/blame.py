"""Whose fault it is that reading foreign bytes failed: one rule for every decoder and parser.

Whatever a decoder raises on a record's bytes is that record's fault: it costs the record and nothing else. Decoders are
other people's code, and their documentation does not name all that they raise: fastavro raises IndexError and
OverflowError, a library in Rust panics with a class that is no `Exception`, a deep value ends in RecursionError, and a
few bytes may ask for more memory than there is.

=====================================  ======================================================
what is raised                         becomes
=====================================  ======================================================
`RecordError`                          itself
another error of shadowstream          itself, raised on: a registry that is away, a package
                                       that is missing, a rule of ours that is broken
RecursionError, MemoryError            `RecordError` of reason ``bounds``
any other Exception, a panic of Rust   `RecordError` of the caller's reason, mostly ``decode``
SystemExit, KeyboardInterrupt          itself, raised on
=====================================  ======================================================
"""

from __future__ import annotations

from shadowstream.errors import RecordError, ShadowstreamError


def is_of_bytes(error: BaseException) -> bool:
    """Whether an error that a decoder raised is the fault of the bytes that it was given.

    >>> is_of_bytes(IndexError()), is_of_bytes(KeyboardInterrupt())
    (True, False)
    """
    if isinstance(error, ShadowstreamError):
        return isinstance(error, RecordError)
    # The class of a panic has no module that it could be imported from.
    return isinstance(error, Exception) or type(error).__name__ == "PanicException"


def record_error(error: BaseException, what: str, reason: str = "decode") -> RecordError:
    """The error as a `RecordError` without a traceback, which would keep the whole batch alive; raises it where it is
    not the fault of the bytes. `what`: whose value it was.

    The text names the error's type alone: its message may hold an address, or the value.

    >>> record_error(OverflowError("int too large"), "schema 7")
    RecordError('schema 7: OverflowError while reading the value')
    """
    if not is_of_bytes(error):
        raise error
    if isinstance(error, RecordError):
        return bare(error)
    if isinstance(error, RecursionError):
        return RecordError(f"{what}: nested too deep", reason="bounds")
    if isinstance(error, MemoryError):
        return RecordError(f"{what}: takes more memory than there is", reason="bounds")
    return RecordError(f"{what}: {type(error).__name__} while reading the value", reason=reason)


def bare(error: RecordError) -> RecordError:
    """The error as a value: without its traceback, which would keep the whole batch alive."""
    error.__cause__ = error.__context__ = None
    return error.with_traceback(None)
