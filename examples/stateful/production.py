"""Production of the example: 3,000 orders of 50 customers in 30 hours, and how many orders each customer has made."""

import json
from collections import Counter
from collections.abc import Iterator

TOPICS = ["visits-orders", "visits-counts"]
GROUPS = {"visits-counter": ["visits-orders"]}


def records() -> Iterator[tuple[str, bytes, bytes, int]]:
    visits: Counter[str] = Counter()
    for n in range(3_000):
        customer = f"customer-{n * 7 % 50}"
        visits[customer] += 1
        key, time_ms = customer.encode(), 1_767_225_600_000 + n * 36_000
        yield "visits-orders", key, json.dumps({"id": n, "customer": customer}).encode(), time_ms
        yield "visits-counts", key, json.dumps({"id": n, "visits": visits[customer]}).encode(), time_ms + 20
