"""Production of the example: 3,000 payments in 30 hours, a probability for each, and the truth an hour later."""

import json
from collections.abc import Iterator

TOPICS = ["labels-payments", "labels-scores", "labels-chargebacks"]
GROUPS = {"labels-model": ["labels-payments"]}


def is_fraud(n: int) -> bool:
    return n * 37 % 100 < 20


def score(payment: dict) -> dict:
    return {"probability": 0.6 if payment["foreign"] else 0.1}


def records() -> Iterator[tuple[str, bytes, bytes, int]]:
    for n in range(3_000):
        payment = {"foreign": is_fraud(n) or n % 4 == 0, "night": is_fraud(n) or n % 3 == 0}
        key, time_ms = b"payment-%d" % n, 1_767_225_600_000 + n * 36_000
        yield "labels-payments", key, json.dumps(payment).encode(), time_ms
        yield "labels-scores", key, json.dumps(score(payment)).encode(), time_ms + 20
        truth = {"payment": key.decode(), "fraud": is_fraud(n)}
        yield "labels-chargebacks", key, json.dumps(truth).encode(), time_ms + 3_600_000
