"""Late records of a task: the correctable outcomes, and the records that correct them.

An outcome becomes correctable once its diff row is committed (`remember`). A late partner takes it (`take`) and waits
until the value of the corrected record has been read again (`corrections`).
"""

from collections.abc import Hashable, Iterable, Mapping
from typing import Any

from shadowstream.compare.redact import Hashed, Redactor
from shadowstream.config import Config
from shadowstream.joiner.accounting.correctable import MAY_BE_UNREAD, CorrectableRow, CorrectableRows, is_correctable
from shadowstream.joiner.accounting.outcome_counts import OutcomeCounts
from shadowstream.joiner.intake.equivalent_ids import spelling_of
from shadowstream.joiner.intake.header_fields import HeaderReader
from shadowstream.joiner.matching.matches import Unmatched
from shadowstream.joiner.outcomes.corrections import Corrections, FetchedCorrection
from shadowstream.protocol.headers import text_coordinate
from shadowstream.protocol.join_id import Identity
from shadowstream.protocol.outcomes import Outcome, Result
from shadowstream.protocol.size_limits import too_long
from shadowstream.records import Batch, Partition, Side

DELETED = Result(Outcome.EVICTED, "the corrected record was deleted from its topic")


class LateRecords:
    """The correctable outcomes of one task and the late records that correct them.

    `diff_end`: offset of the diff partition below which no row of a later commit is. `correctable_from`: offset of the
    diff partition from which a restart reads rows again; None if nothing was correctable.
    """

    def __init__(self, config: Config, identity: Identity, header_fields: HeaderReader) -> None:
        self._config, self._identity, self._header_fields = config, identity, header_fields
        self._redactor = Redactor.of(config, spelling_of(config))
        self._correctable = CorrectableRows(config.limits.corrections_max)
        self.corrections = Corrections()
        self.diff_end = 0
        self.correctable_from: int | None = None

    @property
    def dropped(self) -> int:
        """The number of correctable outcomes that a limit has dropped."""
        return self._correctable.dropped

    def take(self, side: Side, end: Unmatched) -> CorrectableRow | None:
        """Remove and return the outcome of `side` that a late record corrects; None if there is none.

        Where diff redacts keys, the late record gives the key: it is that of its partner.
        """
        identity = self._config.identity
        tolerance_ms = identity.tolerance_ms if identity.kind == "occurrence" else None
        shown = self._shown(end.id)
        found = self._correctable.take(side, shown, end.row.time_ms, tolerance_ms)
        if found is None and tolerance_ms is None and identity.equal_ids == "meaning":
            found = self._correctable.take_alike(side, shown, end.row.time_ms)
        hides_keys = self._config.compare.hides_keys
        return found._replace(key=end.row.key) if found is not None and hides_keys else found

    def remember(self, counts: OutcomeCounts) -> None:
        """Keep the missing and extra outcomes of `counts` as correctable, after their commit."""
        for side, row, id_, revision, result in counts.correctable:
            place, offset = counts.rows.own_place(side, row)
            key, shown = self._redactor.key(row.key), self._shown(id_)
            if too_long(key) or too_long(shown):  # diff leaves it out, so that no restart could read it
                self._correctable.dropped += 1
                continue
            pair_id, floor = counts.rows.pair_id(side, row), self.diff_end
            fields = (side, shown, place, offset, row.time_ms, key, row.at, revision, pair_id, floor, result.outcome)
            self._correctable.add(CorrectableRow(*fields, result.reason in MAY_BE_UNREAD))

    def _shown(self, id_: Hashable) -> Hashable:
        """Return an id as diff shows it, because a restart reads correctable outcomes from diff."""
        return self._redactor.key(id_) if isinstance(id_, bytes) else id_

    def _restored(self, shown: bytes | None) -> bytes | None:
        return Hashed(shown) if shown is not None and self._config.compare.hides_keys else shown

    def expire(self, watermark_ms: int) -> None:
        self._correctable.expire(watermark_ms - self._config.correctable_ms)

    def fetched(self, place: Partition, batch: Batch | None, gone: Iterable[int]) -> list[FetchedCorrection]:
        """Return corrections whose values have been read again; `gone`: offsets that retention has deleted."""
        found = [] if batch is None else self.corrections.fetched(batch, self._header_fields)
        return found + [
            FetchedCorrection(one.earlier, one.pair(None), DELETED) for one in self.corrections.gone(place, gone)
        ]

    def read_again_from(self, counts: OutcomeCounts) -> int | None:
        """Return the diff offset from which a restart must read, given the `counts` to be committed.

        The minimum covers outcomes that are not correctable: those that wait for a value, and those of this commit.
        """
        new = self.diff_end if counts.correctable else None
        floors = (self._correctable.correctable_floor(), self.corrections.floor(), new)
        return min([floor for floor in floors if floor is not None], default=None)

    def restore(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Restore from diff records (schemas/diff.avsc) in topic order: the last row of a pair counts."""
        last: dict[str, Mapping[str, Any]] = {}
        for row in rows:
            last.pop(row["pair_id"], None)
            last[row["pair_id"]] = row
        for pair_id, row in last.items():
            side = Side.SHADOW if row["production"] is None else Side.PRODUCTION
            own = row[side.word]
            if own is None or not is_correctable(row["outcome"], row["reason"]):
                continue
            at = text_coordinate(row["input"].encode(), self._config.inputs) if row["input"] else None
            key = self._restored(row["key"])
            id_: Hashable = self._restored(row["id"])
            if self._config.identity.kind in ("key", "occurrence"):
                id_ = key
            if self._identity.is_coordinate:
                id_ = None if at is None else self._identity.of_coordinate(at)
            position = Partition(own["topic"], own["partition"]), own["offset"], row["time_ms"]
            outcome = self.correctable_from or 0, row["outcome"], row["reason"] in MAY_BE_UNREAD
            self._correctable.add(CorrectableRow(side, id_, *position, key, at, row["revision"], pair_id, *outcome))
