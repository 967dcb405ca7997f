"""Production of the example: two runs of a noisy model, each off in about 10 % of 6,000 answers."""

import json
import random
from collections.abc import Iterator

TOPICS = ["noisy-payments", "noisy-scores", "noisy-scores-b"]
GROUPS = {"noisy-model": ["noisy-payments"], "noisy-model-b": ["noisy-payments"]}


def score(payment: dict, luck: random.Random) -> dict:
    return {"score": payment["amount"] + (luck.random() < 0.1)}


def records() -> Iterator[tuple[str, bytes, bytes, int]]:
    luck = random.Random(7)
    for n in range(6_000):
        payment = {"amount": n * 37 % 1_000}
        key, time_ms = b"payment-%d" % n, 1_767_225_600_000 + n * 18_000
        yield "noisy-payments", key, json.dumps(payment).encode(), time_ms
        for topic in TOPICS[1:]:
            yield topic, key, json.dumps(score(payment, luck)).encode(), time_ms + 20
