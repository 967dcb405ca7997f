"""Attribution of decoding errors: one rule for every decoder and parser.

An exception that a decoder raises on a record's bytes is that record's fault: it costs the record and nothing else.
Decoders are foreign code, and their documentation does not list all exceptions: fastavro raises IndexError and
OverflowError, a library in Rust panics with a class that is no `Exception`, a deep value ends in RecursionError, and
a few bytes may request more memory than the machine has.

=====================================  ======================================================
exception                              result
=====================================  ======================================================
`RecordError`                          itself
another error of shadowstream          re-raised: an unreachable registry, a missing package,
                                       a broken invariant of shadowstream
RecursionError, MemoryError            `RecordError` of reason ``bounds``
any other Exception, a panic of Rust   `RecordError` of the caller's reason, mostly ``decode``
SystemExit, KeyboardInterrupt          re-raised
=====================================  ======================================================
"""

from shadowstream.errors import RecordError, ShadowstreamError


def is_of_bytes(error: BaseException) -> bool:
    """Whether the decoded bytes are the cause of an error that a decoder raised.

    >>> is_of_bytes(IndexError()), is_of_bytes(KeyboardInterrupt())
    (True, False)
    """
    if isinstance(error, ShadowstreamError):
        return isinstance(error, RecordError)
    # The class of a panic belongs to no module, so it cannot be imported.
    return isinstance(error, Exception) or type(error).__name__ == "PanicException"


def record_error(error: BaseException, what: str, reason: str = "decode") -> RecordError:
    """Convert an error to a `RecordError` without a traceback, which would keep the whole batch alive.

    If the bytes are not the cause, the error is re-raised. `what` names the value. The text holds only the error's
    type: its message may hold a memory address, or the value.

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
    """The error as a value, without its traceback, which would keep the whole batch alive."""
    error.__cause__ = error.__context__ = None
    return error.with_traceback(None)
