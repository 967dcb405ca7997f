"""Text of a handover's offsets: a line for each input partition."""

from collections.abc import Iterable, Sequence

from shadowstream.handover.facts import InputFacts

_TITLES = ("input", "production's commit", "log end", "unread", "shadow", "shadow ahead by")


def partition_lines(inputs: Iterable[InputFacts]) -> list[str]:
    """Return a table as lines: commits of production, ends of the log, and offsets that the shadow has done.

    >>> from shadowstream.records import Partition
    >>> print(chr(10).join(partition_lines([InputFacts(Partition("in", 0), 0, 12, 10, done=11)])))
    input  production's commit  log end  unread  shadow  shadow ahead by
    in/0                    10       12       2      11                1
    """
    rows = [_TITLES, *map(_row, inputs)]
    widths = [max(len(row[at]) for row in rows) for at in range(len(_TITLES))]
    return ["  ".join(_aligned(row, widths)).rstrip() for row in rows]


def _aligned(row: Sequence[str], widths: Sequence[int]) -> list[str]:
    return [
        text.rjust(width) if at else text.ljust(width) for at, (text, width) in enumerate(zip(row, widths, strict=True))
    ]


def _row(one: InputFacts) -> tuple[str, ...]:
    commit = "in a transaction" if one.unsettled else _or_none(one.committed)
    unread = "" if one.committed is None else str(max(0, one.end - one.committed))
    ahead = "" if one.committed is None or one.done is None else str(one.done - one.committed)
    return str(one.place), commit, str(one.end), unread, _or_none(one.done), ahead


def _or_none(offset: int | None) -> str:
    return "none" if offset is None else str(offset)
