"""The independent checker: what the run has written against what the load knows to be true. Pure.

Knows nothing of the joiner. Each thing that must have been written is lost where it was not, double where it was
written more than once, and alien is whatever must not be there at all. A record of either side is named by its place,
which the checker finds in the topics themselves.
"""

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field
from typing import Any

from tests.chaos import orders
from tests.chaos.reader import CommittedRecords, Read

SHOWN = 5
OPEN = 300
"""The last orders, whose windows may be open still."""


@dataclass(slots=True)
class Account:
    """Of one kind of thing: what must be there, and what was lost, double or alien of it."""

    expected: int = 0
    lost: list[Hashable] = field(default_factory=list)
    double: list[Hashable] = field(default_factory=list)
    alien: list[Hashable] = field(default_factory=list)

    @property
    def right(self) -> bool:
        return not (self.lost or self.double or self.alien)


@dataclass(slots=True)
class Report:
    """By thing: inputs, production, shadow outputs, outcomes; and what else does not agree, in words."""

    accounts: dict[str, Account]
    wrong: list[str]
    corrections: int
    """Rows that replace an earlier one of the same pair id."""

    @property
    def right(self) -> bool:
        return not self.wrong and all(account.right for account in self.accounts.values())

    def table(self) -> str:
        lines = [f"{'':<12}{'expected':>10}{'lost':>8}{'double':>8}{'alien':>8}"]
        for name, one in self.accounts.items():
            lines.append(f"{name:<12}{one.expected:>10,}{len(one.lost):>8,}{len(one.double):>8,}{len(one.alien):>8,}")
        for name, one in self.accounts.items():
            for kind in ("lost", "double", "alien"):
                found = getattr(one, kind)
                if found:
                    lines.append(f"{name} {kind}: {', '.join(map(str, found[:SHOWN]))}")
        return "\n".join([*lines, *self.wrong])


def account(expected: Iterable[Hashable], found: Iterable[Hashable]) -> Account:
    """Compare as multisets.

    >>> one = account(["a", "b", "c"], ["a", "b", "b", "x"])
    >>> one.lost, one.double, one.alien
    (['c'], ['b'], ['x'])
    """
    must, there = Counter(expected), Counter(found)
    return Account(
        expected=must.total(),
        lost=list((must - there).elements()),
        double=[one for one, n in (there - must).items() if one in must for _ in range(n)],
        alien=[one for one, n in (there - must).items() if one not in must for _ in range(n)],
    )


def check(seen: CommittedRecords, committed: Iterable[range], unknown: Iterable[range]) -> Report:
    """Everything that was written, against the orders that were committed.

    `unknown`: orders in transactions whose end nobody was told: all of such a range is there, or nothing of it.
    """
    wrong: list[str] = []
    numbers = [n for some in committed for n in some]
    keys = {read.key for read in seen.inputs}
    for some in unknown:
        there = sum(orders.key(n) in keys for n in some)
        if there not in (0, len(some)):
            wrong.append(f"a transaction of {len(some)} orders has {there} in the input: {some}")
        numbers += [n for n in some if there]
    accounts = {
        "inputs": account((orders.key(n) for n in numbers), (read.key for read in seen.inputs)),
        "production": account(
            (orders.key(n) for n in numbers for _ in orders.answered(n)), (read.key for read in seen.production)
        ),
        "shadow": account((key for n in numbers for key in orders.shadowed(n)), (read.key for read in seen.shadow)),
    }
    rows, corrections = last_words(seen.diff, wrong)
    accounts["outcomes"] = account(expected_rows(seen, numbers), map(row_facts, rows))
    _differences(rows, wrong)
    _statistics(seen, rows, numbers, wrong)
    _verdict(seen, numbers, wrong)
    return Report(accounts, wrong, corrections)


def place(read: Read) -> str:
    """As rows name it."""
    return f"{read.topic}/{read.partition}/{read.offset}"


def expected_rows(seen: CommittedRecords, numbers: Iterable[int]) -> Iterable[Hashable]:
    """(pair id, key, outcome, event time) of every row that there must be."""
    lies: dict[bytes, list[str]] = defaultdict(list)
    for read in seen.production:
        lies[read.key or b""].append(place(read))
    extra = {read.key or b"": place(read) for read in seen.shadow}
    for n in numbers:
        for key, outcome in orders.endings(n):
            if outcome == "extra":
                where = extra.get(key, "nowhere")
            else:  # of two with one key the second is the duplicate
                there = lies.get(key) or ["nowhere"]
                where = there[-1] if outcome.startswith("duplicate") else there[0]
            yield where, key, outcome, orders.time_ms(n)


def row_facts(row: dict[str, Any]) -> Hashable:
    """A row as `expected_rows` has it."""
    return row["pair_id"], row["key"], row["outcome"], row["time_ms"]


def last_words(rows: Iterable[dict[str, Any]], wrong: list[str]) -> tuple[list[dict[str, Any]], int]:
    """Rows without those that a later one of the same pair id corrects. A second row that corrects nothing stays."""
    words: dict[str, list[dict[str, Any]]] = defaultdict(list)
    corrections = 0
    for row in rows:
        before = words[row["pair_id"]]
        if row["correction_of"] is not None:
            if not before or before[-1]["outcome"] != row["correction_of"]:
                wrong.append(f"{row['pair_id']} corrects {row['correction_of']}, which was not said")
            del before[-1:]
            corrections += 1
        before.append(row)
    return [row for some in words.values() for row in some], corrections


def _differences(rows: Iterable[dict[str, Any]], wrong: list[str]) -> None:
    """A mismatch differs in the score and nowhere else."""
    for row in rows:
        paths = [one["path"] for one in row["differences"]]
        if row["outcome"] == "mismatch" and paths != ["score"]:
            wrong.append(f"{row['pair_id']}: differs in {paths}")


def _statistics(seen: CommittedRecords, rows: list[dict[str, Any]], numbers: list[int], wrong: list[str]) -> None:
    """Deltas without gap or repeat, which add up to the outcomes in every window, and ledgers that balance."""
    tasks: dict[str, list[dict[str, Any]]] = defaultdict(list)
    counted: Counter[tuple[int, str]] = Counter()
    for record in seen.stats:
        tasks[record["task"]].append(record)
        for window in record["windows"]:
            counted.update({(window["start_ms"], outcome): n for outcome, n in window["outcomes"].items()})
    for task, some in sorted(tasks.items()):
        sequence = [record["seq"] for record in some]
        if sequence != list(range(1, len(some) + 1)):
            wrong.append(f"stats of {task}: the sequence has gaps or repeats: {len(some)} records to {sequence[-1]}")
        wrong += _ranges(task, some)
        for line in some[-1]["ledgers"]:
            if line["expected"] != line["counted"]:
                wrong.append(f"conservation of {task}: {line}")
        if some[-1]["pending"]:
            wrong.append(f"stats of {task}: {some[-1]['pending']} still pending")
    _compare("statistics by window against the truth", counted, orders.by_window(numbers), wrong)
    ended = Counter({at: n for at, n in counted.items() if not at[1].startswith("input")})
    outcomes = Counter((row["time_ms"] - row["time_ms"] % orders.WINDOW_MS, row["outcome"]) for row in rows)
    _compare("statistics by window against the outcomes", ended, outcomes, wrong)


def _compare(what: str, counted: Counter[Any], true: Counter[Any], wrong: list[str]) -> None:
    off = {at: counted[at] - true[at] for at in counted | true if counted[at] != true[at]}
    if off:
        wrong.append(
            f"{what}: {len(off)} counts are off, by {sum(off.values())} in sum: {dict(list(off.items())[:SHOWN])}"
        )


def _ranges(task: str, some: list[dict[str, Any]]) -> Iterable[str]:
    """The ranges of source offsets of a task's records lie end to end."""
    reached: dict[tuple[str, int], int] = {}
    for record in some:
        for source in record["sources"]:
            at = source["topic"], source["partition"]
            if reached.get(at, source["from_offset"]) != source["from_offset"]:
                yield f"stats of {task}: {at} goes on from {source['from_offset']}, was at {reached[at]}"
            reached[at] = source["to_offset"]


def _verdict(seen: CommittedRecords, numbers: list[int], wrong: list[str]) -> None:
    """The judge has added each delta once."""
    row_facts = seen.verdict
    if lacks := verdict_lacks(row_facts, numbers):
        wrong.append(lacks)
    if row_facts["remainder"]:
        wrong.append(f"the verdict has a conservation remainder of {row_facts['remainder']}")


def verdict_lacks(row_facts: dict[str, Any], numbers: list[int]) -> str | None:
    """What the counts of a verdict, which are those of the windows that it has closed, lack or have too many."""
    to_ms = row_facts["to_ms"] or 0
    last = orders.window(max(numbers) - OPEN)
    if to_ms < last:
        return f"the verdict closes windows to {to_ms}, not to {last}"
    true: Counter[str] = Counter()
    for (start_ms, outcome), n in orders.by_window(numbers).items():
        true[outcome] += n * (start_ms < to_ms)
    counted = Counter({outcome: n for outcome, n in row_facts["outcomes"].items() if n})
    return None if counted == true else f"the verdict counts {dict(counted)}, the truth is {dict(true)}"
