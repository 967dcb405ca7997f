"""No exception of the Kafka client leaves `shadowstream/kafka` untranslated.

Consumers of `client.consumers` are `client.errors.TranslatingClient`. Three kinds of calls need a guard:
`translated_errors(...)`, or a `try` that catches the client's exception. They are calls on a producer or an admin
client, waits for an answer, and calls on the consumers that `reading.topic_reader` and `subscription` make.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.tidy.house import functions

ROOM = Path(__file__).resolve().parents[2] / "shadowstream" / "kafka"
MADE = {"Consumer", "Producer", "AdminClient"}
ASKS = {
    *("begin_transaction", "commit_transaction", "abort_transaction", "init_transactions"),
    *("send_offsets_to_transaction", "list_topics", "list_offsets", "list_consumer_group_offsets", "create_topics"),
    *("describe_topics", "describe_configs", "describe_consumer_groups", "alter_consumer_group_offsets", "result"),
}
OF_A_PRODUCER = {"produce", "flush"}
OF_A_CONSUMER = {
    *("assign", "close", "committed", "consume", "get_watermark_offsets", "incremental_assign", "pause", "poll"),
    *("position", "resume", "seek", "store_offsets", "subscribe", "unassign"),
}
GUARDS = ("translated_errors(", "suppress(KafkaException")
RAW_CONSUMERS = {"reading/topic_reader.py", "subscription.py"}
CAUGHT_OUTSIDE = {
    # Their callers catch: `once_settled` asks again or tells.
    ("client/offsets.py", "_list"), ("client/offsets.py", "ask"),
    ("client/offsets.py", "answered"),
    ("ownership.py", "commit"),
    # Guarded by their generator; callbacks of a guarded poll.
    ("reading/topic_reader.py", "_partitions"),
    ("subscription.py", "_wait"), ("subscription.py", "_on_assign"),
    ("trial/topic_admin.py", "_leaderless"), ("roles/judge.py", "_transaction"),
}  # fmt: skip


def modules() -> Iterator[tuple[str, ast.AST]]:
    """Path below the Kafka edge and syntax tree of each of its modules."""
    for path in sorted(ROOM.rglob("*.py")):
        yield path.relative_to(ROOM).as_posix(), ast.parse(path.read_text("utf-8"))


def raw_calls(tree: ast.AST, file: str) -> Iterator[str]:
    """Calls of a client whose exception nobody catches, as `file:line: what`."""
    yield from _within(tree, file, "", safe=False)


def _within(node: ast.AST, file: str, function: str, *, safe: bool) -> Iterator[str]:
    if isinstance(node, ast.FunctionDef):
        function = node.name
        safe = (file, function) in CAUGHT_OUTSIDE
    if isinstance(node, ast.With) and any(
        guard in ast.unparse(item.context_expr) for item in node.items for guard in GUARDS
    ):
        safe = True
    if isinstance(node, ast.Try) and any("KafkaException" in ast.unparse(h.type) for h in node.handlers if h.type):
        for child in node.body:
            yield from _within(child, file, function, safe=True)
        for child in [*node.handlers, *node.orelse, *node.finalbody]:
            yield from _within(child, file, function, safe=safe)
        return
    if isinstance(node, ast.Call) and not safe and (name := _offence(node, file)):
        yield f"{file}:{node.lineno}: {name} may raise the client's own exception: put it into translated_errors(...)"
    for child in ast.iter_child_nodes(node):
        yield from _within(child, file, function, safe=safe)


def _offence(call: ast.Call, file: str) -> str | None:
    if isinstance(call.func, ast.Name):
        return call.func.id if call.func.id in MADE else None
    if not isinstance(call.func, ast.Attribute):
        return None
    name, owner = call.func.attr, ast.unparse(call.func.value)
    last = owner.rpartition(".")[2].rpartition("]")[2] or owner
    asks = name in ASKS
    produces = name in OF_A_PRODUCER and last == "producer"
    consumes = name in OF_A_CONSUMER and file in RAW_CONSUMERS and last in ("consumer", "_consumer")
    return f"{owner}.{name}" if asks or produces or consumes else None


def test_every_call_of_a_client_is_guarded() -> None:
    offences = [o for file, tree in modules() for o in raw_calls(tree, file)]
    assert not offences, "\n".join(offences)


def test_what_is_caught_outside_still_exists() -> None:
    assert {(file, node.name) for file, tree in modules() for node in functions(ast.walk(tree))} >= CAUGHT_OUTSIDE


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (True, "def f(settings): return Consumer(settings)"),
        (True, "def f(client): client.list_topics(timeout=1)"),
        (True, "def f(future): return future.result(3)"),
        (True, "def f(self): self._writer.producer.flush(3)"),
        (True, "def f(producer):\n    with quiet():\n        producer.commit_transaction(1)"),
        (True, "def f(producer):\n    try: ...\n    except KafkaException: producer.abort_transaction(1)"),
        (True, "def f(producer):\n    with translated_errors('x'):\n        def g(): producer.produce('t')"),
        (False, "def f(client):\n    with translated_errors('list'): client.list_topics(timeout=1)"),
        (
            False,
            "def f(client):\n    try: client.list_topics(timeout=1)\n    except (KafkaException, TimeoutError): ...",
        ),
        (False, "def f(settings): return made(Consumer, settings)"),
        (False, "def f(self): self._consumer.consume(1, 0)"),
    ],
)
def test_a_raw_call_is_found_and_a_guarded_one_is_none(raw: bool, text: str) -> None:
    assert bool(list(raw_calls(ast.parse(text), "new.py"))) is raw


def test_a_call_on_a_raw_consumer_is_found_in_its_room() -> None:
    assert list(raw_calls(ast.parse("def f(consumer): consumer.consume(1, 0)"), "reading/topic_reader.py"))
