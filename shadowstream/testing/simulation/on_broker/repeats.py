"""Without transactions: what of the logs counts, by the rules that their readers go by."""

from collections.abc import Iterable, Sequence
from typing import Any

from shadowstream.protocol.headers import COMMIT_HEADER, header
from shadowstream.testing.memory.log import Entry


def first_of_each(stats: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Of several stats records of one task and number the first."""
    found: dict[tuple[str, int], dict[str, Any]] = {}
    for record in stats:
        found.setdefault((record["task"], record["seq"]), record)
    return list(found.values())


def decided_rows(
    rows: Sequence[Entry], stats: Iterable[dict[str, Any]], offences: list[str]
) -> tuple[list[Entry], list[str]]:
    """Rows of commits that were decided, each once; and an offence more for each key whose last word is another one."""
    decided = {(record["task"], record["seq"]): record["incarnation"] for record in stats}
    kept: dict[tuple[bytes | None, bytes | None], Entry] = {}
    words: dict[bytes | None, bytes | None] = {}
    last: dict[bytes | None, bytes | None] = {}
    for row in rows:
        last[row.key] = row.value
        commit_id = header(row.headers, COMMIT_HEADER)
        if commit_id is None:
            continue
        sequence, incarnation, task = commit_id.decode().split(" ", 2)
        if decided.get((task, int(sequence))) == incarnation and (row.key, row.value) not in kept:
            kept[row.key, row.value] = row
            words[row.key] = row.value
    wrong = [key for key, value in last.items() if words.get(key) != value]
    return list(kept.values()), [*offences, *(f"{key!r}: its last word was never decided" for key in wrong)]
