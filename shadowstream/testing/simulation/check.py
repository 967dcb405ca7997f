"""Compare what the joiner said in a trial with what the oracle asks for. Every difference is a line of text."""

import re
from collections import Counter
from collections.abc import Generator, Iterator
from typing import Any

from shadowstream.protocol.count_names import RECHECKS
from shadowstream.records import Partition, Side
from shadowstream.testing.simulation.failures import ABSENCES, LEFT_OUT
from shadowstream.testing.simulation.history import DECLARED, REVISIONS, WINDOW_MS
from shadowstream.testing.simulation.logs import Label
from shadowstream.testing.simulation.losses import LACKING, Losses, is_unread
from shadowstream.testing.simulation.oracle import Word, words
from shadowstream.testing.simulation.play import Trial
from shadowstream.testing.simulation.truth import Truth, Unit, read_in_truth, truth_of

Totals = Counter[tuple[int, str, str]]
"""Counts by window, revision and outcome."""
BLAMES = re.compile(r"(?<!twin_)(missing|extra|mismatch|cardinality)( said, and not expected|', )")
"""Of a trial that was cut short, offences that blame the candidate."""


class Verdict:
    """The offences of one played trial, and which outcomes it has shown."""

    def __init__(self, trial: Trial) -> None:
        self.trial, self.world, self.stored = trial, trial.world, trial.stored
        self.truth: Truth = truth_of(self.world)
        self.units = {unit.input.number: unit for unit in self.truth.units}
        self.seen: Counter[str] = Counter()
        self.ended: set[Label] = set()
        self.many = 0
        self.losses = Losses(trial.setup, self.world.logs)
        self.offences = list(self._offences())

    def _offences(self) -> Iterator[str]:
        last = yield from self._rows()
        totals: Totals = Counter()
        if self.trial.cut_short:
            if not self.trial.setup.late:  # else a word may wait for what corrects it
                yield from filter(BLAMES.search, self._words(last, totals))
            return
        yield from self._words(last, totals)
        yield from self._totals(totals)
        self.losses.look(self.truth.units)
        yield from self.losses.offences()
        yield from self._ledgers()
        yield from self._sequences()

    def _rows(self) -> Generator[str, None, dict[str, dict[str, Any]]]:
        """Each row by itself and after those before it; returns the last one of each pair id."""
        last: dict[str, dict[str, Any]] = {}
        for row in self.stored.rows():
            before, named = last.get(row["pair_id"]), f"{row['pair_id']} {row['outcome']}"
            first = row["production"] or row["shadow"] or row["twin"]
            own_id = f"{first['topic']}/{first['partition']}/{first['offset']}"
            if before is None:
                if row["late"] or row["correction_of"] is not None:
                    yield f"{named}: corrects an outcome without a row"
                if row["pair_id"] != own_id:
                    yield f"{named}: the pair id is not its first record's, {own_id}"
            elif not row["late"] or row["correction_of"] != before["outcome"]:
                yield f"{named}: a second row, after {before['outcome']} (correction of {row['correction_of']})"
            elif not (self.trial.setup.correctable(before["outcome"]) or self.trial.setup.retention) and (
                len({label.number for label in self._labels(row)}) == 1  # of two inputs: what repeats an unreadable one
            ):
                yield f"{named}: corrects {before['outcome']}, which marks had made certain"
            else:
                self.seen[f"correction of {before['outcome']}"] += 1
            if row["identity"] != self.trial.setup.kind:
                yield f"{named}: its identity is {row['identity']}"
            last[row["pair_id"]] = row
        return last

    def _labels(self, row: dict[str, Any]) -> tuple[Label, ...]:
        found = []
        for side in Side:
            at = row[side.word]
            if at is not None:
                label = self.world.logs.labels.get((Partition(at["topic"], at["partition"]), at["offset"]))
                found.append(label or Label(-1, side, at["offset"]))
        return tuple(found)

    def _words(self, last: dict[str, dict[str, Any]], totals: Totals) -> Iterator[str]:
        by_labels: dict[tuple[Label, ...], dict[str, Any]] = {}
        for row in last.values():
            labels = self._labels(row)
            twice = [label for label in labels if label in self.ended]
            if twice:
                yield f"{row['pair_id']} {row['outcome']}: {twice} ended a second time"
            by_labels[labels] = row
            self.ended.update(labels)
            self.seen[row["outcome"]] += 1
            counted_as = f"expected:{DECLARED['name']}" if row["outcome"] == "expected" else row["outcome"]
            totals[self._window(row), row["revision"], counted_as] += 1
        for unit in self.truth.units:
            for word in () if unit.lost else words(self.truth, unit):
                row = by_labels.pop(word.records, {}) or self._without_twin(word, by_labels)
                evicted = self._is_unread(word, row, by_labels) or self._is_gone(word, row) or self._is_shed(unit, row)
                if evicted or (not row and self._all_shed(unit, word, by_labels)):
                    self.seen["evicted"] += 1
                elif row:
                    yield from self._against(word, row, unit, totals)
                elif not (self._may_wait(unit) or self._is_newest(word.records[0])):
                    yield f"{word.records}: no word; expected {'|'.join(word.outcomes)}"
        for labels, row in by_labels.items():
            if self._is_shed(self.units.get(labels[0].number), row):
                continue  # of the several outputs of one input
            if any(label.number not in self.units or not self.units[label.number].lost for label in labels):
                yield f"{labels}: {row['outcome']} said, and not expected"

    def _is_unread(self, word: Word, row: dict[str, Any], by_labels: dict[tuple[Label, ...], dict[str, Any]]) -> bool:
        """Whether it lacks what nobody could read; several outputs of one input end so each by itself."""
        rows = [row] if row else []
        if not row and word.outcomes == ("cardinality",):
            number = word.records[0].number
            labels = [one for one, other in by_labels.items() if one[0].number == number and is_unread(other)]
            rows = [by_labels.pop(one) for one in labels]
            if rows:
                self.losses.explains_group(rows)
                return True
        if not (row and LACKING.issuperset(word.outcomes) and is_unread(row)):
            return False
        self.losses.explains(row)
        return True

    def _is_gone(self, word: Word, row: dict[str, Any]) -> bool:
        """Whether nobody can tell that a partner lacks, for retention has deleted some that might be it."""
        single = word.outcomes in (("missing",), ("extra",))
        return single and self.trial.setup.retention and row.get("outcome") == "evicted"

    def _is_shed(self, unit: Unit | None, row: dict[str, Any]) -> bool:
        """Whether it is for its identity that this row's records were evicted."""
        if unit is None or not self.trial.setup.shed or row.get("outcome") != "evicted":
            return False
        if self.trial.setup.identity == "coordinate":
            return True
        levels = [task.shedding for process in self.trial.processes for task in process.step.tasks.values()]
        labels = self._labels(row)
        if any(written.label in labels and self.losses.unreadable(written) for written in unit.written[Side.SHADOW]):
            return any(shedding.level for shedding in levels)  # by an id of its own, which the truth does not know
        by_key = self.trial.setup.identity in ("key", "occurrence")
        id_ = unit.input.key.encode() if by_key else unit.input.id
        return any(shedding.sheds(id_) for shedding in levels)

    def _all_shed(self, unit: Unit, word: Word, by_labels: dict[tuple[Label, ...], dict[str, Any]]) -> bool:
        """Whether all records of a word were evicted each by itself, none was left to be paired or missed."""
        mine = set(word.records)
        rows = [labels for labels, row in by_labels.items() if mine.issuperset(labels) and self._is_shed(unit, row)]
        if {label for labels in rows for label in labels} != mine:
            return False
        for labels in rows:
            del by_labels[labels]
        return True

    def _without_twin(self, word: Word, by_labels: dict[tuple[Label, ...], dict[str, Any]]) -> dict[str, Any]:
        """A row of production's record alone does not show the twin that it met; it has ended all the same."""
        if [label.side for label in word.records] != [Side.PRODUCTION, Side.TWIN]:
            return {}
        row = by_labels.pop(word.records[:1], {})
        if row:
            self.ended.add(word.records[1])
        return row

    def _against(self, word: Word, row: dict[str, Any], unit: Unit, totals: Totals) -> Iterator[str]:
        got = (row["outcome"], row["revision"], self._window(row))
        fits = (
            row["outcome"] in word.outcomes or self._is_not_asked(word, row),
            word.revisions is None or row["revision"] in word.revisions,
            word.window is None or self._window(row) == word.window,
        )
        if not all(fits):
            yield f"{word.records}: expected {word.outcomes}, {word.revisions}, {word.window}; got {got}"
        pair = len(word.records) > 1
        if row["ambiguous"] != (unit.input.ambiguous and pair) and unit.written[Side.SHADOW]:
            yield f"{word.records}: ambiguous is {row['ambiguous']}"
        if self.trial.setup.kind == "id" and row["id"] is not None and row["id"] != unit.input.id:
            yield f"{word.records}: its id is {row['id']}"
        for outcome in word.counts:
            self.seen[outcome] += 1
            totals[self._window(row), row["revision"], outcome] += 1
        self.many += max(0, word.ends - len(word.records))

    def _is_not_asked(self, word: Word, row: dict[str, Any]) -> bool:
        """Whether the candidate could not be called again: a pair that corrects a word, or of an earlier revision."""
        is_old = row["revision"] == REVISIONS[0] and self.world.revision != REVISIONS[0]
        return word.outcomes == ("unstable",) and row["outcome"] == "mismatch" and (row["late"] or is_old)

    def _may_wait(self, unit: Unit) -> bool:
        """Nothing comes after a time far ahead; nor after the last sentinels, where time decides of whole pairs too."""
        setup = self.trial.setup
        return not setup.bounded and (unit.input.poison or ((setup.strict or setup.many) and unit.input.round > 0))

    def _is_newest(self, label: Label) -> bool:
        """Whether it cannot be read and nothing comes after it: its time is that of the last sentinel before it."""
        logs, (place, offset) = self.world.logs, self.world.logs.offsets[label]
        read = [at for at, record in enumerate(logs.records[place]) if record and (place, at) not in logs.broken]
        by_time = self.trial.setup.commits != "after_output" and not self.trial.setup.bounded
        return by_time and (place, offset) in logs.broken and bool(read) and max(read) < offset

    def _window(self, row: dict[str, Any]) -> int:
        time_ms = int(row["time_ms"])
        return time_ms - time_ms % WINDOW_MS

    def _totals(self, totals: Totals) -> Iterator[str]:
        """What a judge sees, adding all deltas, against the last words and the inputs."""
        if not self.trial.setup.adopted:
            for unit in self.truth.units:
                window = unit.input.time_ms // WINDOW_MS * WINDOW_MS
                if unit.input.absence in LEFT_OUT:
                    continue
                asked = unit.input.absence != "undecodable"
                totals[window, unit.revision, "input" if asked else "input_undecodable"] += 1
                totals[window, unit.revision, "input_failed"] += unit.input.absence in ABSENCES
        seen: Totals = Counter()
        for record in self.stored.stats:
            for window in record["windows"]:
                for outcome, n in window["outcomes"].items():
                    if outcome not in RECHECKS:  # these end no record
                        seen[window["start_ms"], window["revision"], outcome] += n
        for at in sorted(totals.keys() | seen.keys()):
            if totals[at] != seen[at]:
                yield f"stats {at}: expected {totals[at]}, got {seen[at]}"

    def _ledgers(self) -> Iterator[str]:
        """No remainder at any commit; at the end, every record of every log in the third one, and nothing pending."""
        final: dict[str, dict[str, Any]] = {}
        kinds: Counter[int] = Counter()
        for record in self.stored.stats:
            final[record["task"]] = record
            for line in record["ledgers"]:
                kinds[line["ledger"]] += 1
                if line["expected"] != line["counted"]:
                    yield f"ledger {line['ledger']} of {record['task']}, commit {record['seq']}: {line}"
        read = {line["place"]: line["counted"] for r in final.values() for line in r["ledgers"] if line["ledger"] == 3}
        written = read_in_truth(self.world)
        for place, n in written.items():
            if place not in self.world.inputs and n and not self.trial.setup.retention and read.get(str(place)) != n:
                yield f"ledger 3 of {place}: {n} records are in the log, {read.get(str(place))} were counted"
        if self.truth.units and not self.trial.setup.adopted and not kinds[1]:
            yield "ledger 1 was never checked"
        pending = sum(record["pending"] for record in final.values())
        open_ = sum(n for place, n in written.items() if place not in self.world.inputs) - len(self.ended) - self.many
        if pending != open_ and not self.trial.setup.retention:
            yield f"{pending} records are said to be pending, {open_} have not been ended"
        if self.trial.setup.bounded and not all(record["complete"] for record in final.values()):
            yield "a bounded trial has not come to its end"

    def _sequences(self) -> Iterator[str]:
        numbers: dict[str, list[int]] = {}
        for record in self.stored.stats:
            numbers.setdefault(record["task"], []).append(record["seq"])
        for task, by_labels in numbers.items():
            if by_labels != list(range(1, len(by_labels) + 1)):
                yield f"sequence numbers of {task}: {by_labels}"
