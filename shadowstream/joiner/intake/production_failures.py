"""Detection of production's own failures: outputs by which it reports that it failed (`production.error`)."""

from shadowstream.compare.comparer import Comparing
from shadowstream.compare.differences import ABSENT
from shadowstream.compare.dimension_codes import text_of
from shadowstream.config import Config
from shadowstream.errors import RecordError
from shadowstream.joiner.pending_record import PendingRecord
from shadowstream.paths import parse_one
from shadowstream.protocol.outcomes import FAILED, Outcome, Result
from shadowstream.records import Side


class ProductionFailures:
    """The rule for inputs on which both sides failed."""

    def __init__(self, config: Config, compare: Comparing) -> None:
        self._error, self._compare = config.production.error, compare
        path = self._error.path if self._error is not None else None
        self._names = parse_one(path) if path is not None else None

    def judged(self, row: PendingRecord, result: Result) -> Result:
        """Return the outcome of an unmatched production record; may raise `RegistryError`."""
        if self._error is None or result.outcome not in FAILED or not self._says_failed(row):
            return result
        return Result(Outcome.BOTH_FAILED, f"production failed on this input too; the candidate: {result.outcome}")

    def _says_failed(self, row: PendingRecord) -> bool:
        if self._error is None or self._names is None:
            return row.header_fields is not None and row.header_fields.failed
        (value,) = self._compare.fields(Side.PRODUCTION, [row.value]).at(self._names)
        if value is None or value is ABSENT or isinstance(value, RecordError):
            return False
        return self._error.equals is None or text_of(value) == self._error.equals
