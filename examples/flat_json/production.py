"""Production of the example: 3,000 payments in 30 hours, a score for each."""

import json
from collections.abc import Iterator

TOPICS = ["json-payments", "json-scores"]
GROUPS = {"json-model": ["json-payments"]}


def score(payment: dict) -> dict:
    return {"score": payment["amount"] / 1000, "model_version": "1.0"}


def records() -> Iterator[tuple[str, bytes, bytes, int]]:
    for n in range(3_000):
        payment = {"amount": n * 37 % 1_000, "country": ("SE", "NO", "DK")[n % 3]}
        key, time_ms = b"payment-%d" % n, 1_767_225_600_000 + n * 36_000
        yield "json-payments", key, json.dumps(payment).encode(), time_ms
        yield "json-scores", key, json.dumps(score(payment)).encode(), time_ms + 20
