"""Late records of a task: the outcomes that may still be corrected, and the records that correct them.

An outcome becomes correctable once its diff row is committed (`remember`). A late partner takes it (`take`) and waits
until the value of the corrected record has been read again (`corrections`).
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from typing import Any

from shadowstream.compare.redact import Redactor
from shadowstream.config import Config
from shadowstream.joiner.accounting.correctable import MAY_BE_UNREAD, CorrectableRow, CorrectableRows
from shadowstream.joiner.accounting.outcome_counts import OutcomeCounts
from shadowstream.joiner.intake.header_fields import HeaderReader
from shadowstream.joiner.matching.matches import Unmatched
from shadowstream.joiner.outcomes.corrections import Corrected, Corrections, restored
from shadowstream.protocol.join_id import Identity
from shadowstream.protocol.outcomes import Outcome, Result
from shadowstream.protocol.size_limits import too_long
from shadowstream.records import Batch, Partition, Side

DELETED = Result(Outcome.EVICTED, "the corrected record was deleted from its topic")


class LateRecords:
    """The correctable outcomes of one task and the late records that correct them.

    `diff_end`: no row of a later commit lies below this offset of the diff partition. `correctable_from`: offset of the
    diff partition from which a restart must read rows again; None where nothing was correctable.
    """

    def __init__(self, config: Config, identity: Identity, header_fields: HeaderReader) -> None:
        self._config, self._identity, self._header_fields = config, identity, header_fields
        self._redactor = Redactor(config.compare.redact)
        self._correctable = CorrectableRows(config.limits.corrections_max)
        self.corrections = Corrections()
        self.diff_end = 0
        self.correctable_from: int | None = None

    @property
    def dropped(self) -> int:
        """Correctable outcomes that were forgotten because of a bound."""
        return self._correctable.dropped

    def take(self, side: Side, end: Unmatched) -> CorrectableRow | None:
        """Remove and return the outcome of `side` that a late record corrects."""
        identity = self._config.identity
        tolerance_ms = identity.tolerance_ms if identity.kind == "occurrence" else None
        shown = self._shown(end.id)
        found = self._correctable.take(side, shown, end.row.time_ms, tolerance_ms)
        if found is None and tolerance_ms is None and identity.equal_ids == "meaning":
            return self._correctable.take_alike(side, shown, end.row.time_ms)
        return found

    def remember(self, counts: OutcomeCounts) -> None:
        """Keep the missing and extra outcomes of `counts` as correctable: they are committed now."""
        for side, row, id_, revision, result in counts.correctable:
            place, offset = counts.own_place(side, row)
            pair_id = counts.pair_id(side, row)
            key, shown = self._redactor.key(row.key), self._shown(id_)
            if too_long(key) or too_long(shown):  # it does not stand in diff, so no restart would know it
                self._correctable.dropped += 1
                continue
            at = self.diff_end
            fields = (side, shown, place, offset, row.time_ms, key, row.at, revision, pair_id, at, result.outcome)
            self._correctable.add(CorrectableRow(*fields, result.reason in MAY_BE_UNREAD))

    def _shown(self, id_: Hashable) -> Hashable:
        """Return an id as diff shows it. A restart reads correctable outcomes from there, so they are known by that."""
        return self._redactor.key(id_) if isinstance(id_, bytes) else id_

    def expire(self, watermark_ms: int) -> None:
        """Forget outcomes that no late record may correct any more."""
        self._correctable.expire(watermark_ms - self._config.correctable_ms)

    def fetched(self, place: Partition, batch: Batch | None, gone: Iterable[int]) -> list[Corrected]:
        """Return corrections whose values have been read again; `gone` are offsets that retention has deleted."""
        found = [] if batch is None else self.corrections.fetched(batch, self._header_fields)
        return found + [Corrected(one.earlier, one.pair(None), DELETED) for one in self.corrections.gone(place, gone)]

    # ---------------------------------------------------------------- commit and restart

    def observe_diff_end(self, offset: int) -> None:
        """Take the end of the diff partition, read before the next commit."""
        self.diff_end = max(self.diff_end, offset)

    def read_again_from(self, counts: OutcomeCounts) -> int | None:
        """Offset of the diff partition that a restart must read from, beside `counts` that are being committed.

        What waits for a value, and the rows of this very commit, are not correctable: any more, or yet.
        """
        new = self.diff_end if counts.correctable else None
        floors = (self._correctable.correctable_floor(), self.corrections.floor(), new)
        return min((floor for floor in floors if floor is not None), default=None)

    def restore(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Take diff records of this task from `correctable_from` on, in topic order."""
        restored(self._correctable, rows, self._config, self._identity, self.correctable_from or 0)
