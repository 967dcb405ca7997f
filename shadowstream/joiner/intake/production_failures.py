"""Whether production itself says of an output that it failed on the input (`production.error`)."""

from __future__ import annotations

from shadowstream.compare.comparer import Comparing
from shadowstream.compare.differences import ABSENT
from shadowstream.compare.dimension_codes import text_of
from shadowstream.config import Config
from shadowstream.errors import RecordError
from shadowstream.joiner.pending_record import PendingRecord
from shadowstream.paths import parse_one
from shadowstream.protocol.outcomes import FAILED, Outcome, Result
from shadowstream.records import Side


class Failures:
    """Recognises failures of both sides on one input."""

    def __init__(self, config: Config, compare: Comparing) -> None:
        self._error, self._compare = config.production.error, compare
        path = self._error.path if self._error is not None else None
        self._names = parse_one(path) if path is not None else None

    def judged(self, row: PendingRecord, result: Result) -> Result:
        """The outcome of a production record that has no partner. May raise a `RegistryError`."""
        if self._error is None or result.outcome not in FAILED or not self._says_failed(row):
            return result
        return Result(Outcome.BOTH_FAILED, f"production failed on this input too; the candidate: {result.outcome}")

    def _says_failed(self, row: PendingRecord) -> bool:
        if self._error is None or self._names is None:
            return row.header_info is not None and row.header_info.failed
        (value,) = self._compare.fields(Side.PRODUCTION, [row.value]).at(self._names)
        if value is None or value is ABSENT or isinstance(value, RecordError):
            return False
        return self._error.equals is None or text_of(value) == self._error.equals
