"""The call of a model server: batches of records, several at a time, and single records where a batch fails."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Protocol

from shadowstream import extras
from shadowstream.codecs import json_values
from shadowstream.errors import CandidateError, ConfigError, RecordError
from shadowstream.model_server.failures import Disputed, Failed, Refusal, ServerAway, Unusable
from shadowstream.model_server.settings import Settings
from shadowstream.model_server.tensors import Row, Tensors
from shadowstream.runner.outputs import Output, outputs_of

ANSWER_BYTES_MAX = 16_000_000


class Poster(Protocol):
    """What sends a request (`exchange.Exchange`)."""

    def post(self, path: str, body: bytes, bytes_max: int, limit_s: float) -> bytes: ...

    def check_ready(self, in_doubt: bool) -> None: ...


class ServedModel:
    """A call that returns a result for each value, maybe only for the first ones.

    `enough` is called after each result, which is last in the list that `answer` got at the begin of the call.
    """

    def __init__(
        self, settings: Settings, poster: Poster, answer: Callable[[Sequence[Any]], None], enough: Callable[[], bool]
    ) -> None:
        self._settings, self._poster, self._answer, self._enough = settings, poster, answer, enough
        http = settings.http
        self._batch, self._concurrency = http.batch, http.concurrency
        self._form: _Form = OipForm(settings) if http.protocol == "oip" else JsonForm(settings)
        self._pool = ThreadPoolExecutor(http.concurrency, "requests")
        self._singles = 0  # records of a failed batch that are still to be sent one by one

    def __call__(self, values: Sequence[Any]) -> list[Any]:
        """Raises `ServerAway` if the first value cannot be answered now."""
        results: list[Any] = []
        self._answer(results)
        waiting: deque[tuple[int, Future[list[Any]]]] = deque()
        sent, stopped = 0, False
        try:
            while waiting or (sent < len(values) and not stopped):
                while sent < len(values) and len(waiting) < self._concurrency and not stopped:
                    end = sent + (1 if self._singles else self._batch)
                    self._singles = max(0, self._singles - 1)
                    part = values[sent:end]
                    waiting.append((len(part), self._pool.submit(self._results, part)))
                    sent += len(part)
                count, future = waiting.popleft()
                try:
                    answered = future.result()
                except Failed:
                    # What was sent meanwhile is sent again: results are in the order of the values.
                    self._cancel(waiting)
                    sent, self._singles = len(results), count
                    if results and self._enough():
                        break
                    continue
                for result in answered:
                    results.append(result)
                    stopped = self._enough() or stopped
        except ServerAway:
            if not results:
                raise
        finally:
            self._cancel(waiting)
        return results

    def _cancel(self, waiting: deque[tuple[int, Future[list[Any]]]]) -> None:
        for _, future in waiting:
            future.cancel()
        waiting.clear()

    def _results(self, values: Sequence[Any]) -> list[Any]:
        """Return the results of one batch. Raises `Failed` for a batch that is to be tried one by one."""
        results: list[Any] = []
        rows: list[Any] = []
        for value in values:
            try:
                rows.append(self._form.row(value))
                results.append(None)
            except CandidateError as error:
                results.append(error)
        try:
            answers = iter(self._answers(rows) if rows else [])
        except Failed as error:
            if len(rows) > 1:
                raise
            answers = iter([CandidateError(str(error), absence=error.absence)])
        return [next(answers) if result is None else result for result in results]

    def _answers(self, rows: Sequence[Any]) -> list[Any]:
        limit = min(ANSWER_BYTES_MAX, len(rows) * self._settings.result_bytes_max)
        try:
            body = self._poster.post(self._form.path, self._form.request(rows), limit, self._settings.timeout_s)
        except (Disputed, Refusal) as error:
            try:
                self._poster.check_ready(isinstance(error, Disputed))
            except ServerAway as away:
                raise ServerAway(f"{str(error).partition(':')[0]}; {away}") from error
            raise
        try:
            return self._form.outputs(json_values.read(body, "plain"), len(rows))
        except RecordError as error:
            raise Unusable(str(error)) from error
        except MemoryError as error:
            raise Unusable("it takes more memory than candidate.limits.memory_bytes") from error


def _result(output: Any) -> Any:
    try:
        return outputs_of(output)
    except CandidateError as error:
        return error


class _Form(Protocol):
    """Requests and answers of one protocol."""

    path: str

    def row(self, value: Any) -> Any: ...

    def request(self, rows: Sequence[Any]) -> bytes: ...

    def outputs(self, body: Any, count: int) -> list[Any]: ...


class OipForm:
    """The Open Inference Protocol v2."""

    def __init__(self, settings: Settings) -> None:
        self.path = f"{settings.model_path}/infer"
        self._tensors = Tensors(settings.http)

    def row(self, value: Any) -> Row:
        return self._tensors.row(value)

    def request(self, rows: Sequence[Row]) -> bytes:
        return json_values.dumps(self._tensors.request(rows))

    def outputs(self, body: Any, count: int) -> list[Any]:
        return [[Output(value)] for value in self._tensors.outputs(body, count)]


class JsonForm:
    """Plain JSON: a value is answered by a value or, where batches are configured, a list by a list."""

    path = ""

    def __init__(self, settings: Settings) -> None:
        self._lists = settings.http.batch > 1

    def row(self, value: Any) -> bytes:
        try:
            return json_values.write(value)
        except CandidateError as error:
            raise CandidateError(f"InputUnusable: {error}") from error

    def request(self, rows: Sequence[bytes]) -> bytes:
        return b"[%s]" % b",".join(rows) if self._lists else rows[0]

    def outputs(self, body: Any, count: int) -> list[Any]:
        if not self._lists:
            return [_result(body)]
        if not isinstance(body, list) or len(body) != count:
            size = f"{len(body)} values" if isinstance(body, list) else "no list"
            raise Unusable(f"{size}; a list of {count} was asked")
        return [_result(value) for value in body]


def served(
    settings: Settings, answer: Callable[[Sequence[Any]], None], enough: Callable[[], bool]
) -> Callable[[Sequence[Any]], list[Any]]:
    """Return the call of a model server. Raises `ConfigError` without the HTTP library, and for unusable TLS files."""
    try:
        from shadowstream.model_server.exchange import Exchange  # a local import: the extra `http` may be absent
    except ImportError as error:
        raise extras.missing("http", "candidate.http", error.name) from error
    try:
        return ServedModel(settings, Exchange(settings), answer, enough)
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        raise ConfigError(f"candidate.http.tls: the files are unusable: {error}") from error
