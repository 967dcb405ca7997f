"""The result that the joiner must find: both models applied to the same file without Kafka, and compared by hand.

The rules of `flights.yaml` are repeated here without `shadowstream.compare`, so an error there cannot hide here.
"""

from typing import Any

from shadowstream.demo.candidates import BUG_CARRIER, BUG_FROM_MS, JUDGES
from shadowstream.demo.flights import records
from shadowstream.demo.model import PRODUCTION, Frozen, train

SCORE_ATOL = 1e-6


def differs(production: dict[str, Any], candidate: dict[str, Any]) -> bool:
    """Whether a pair is a mismatch: `score` within 1e-6, `id`, `carrier` and `late` exactly, `model` ignored.

    >>> said = {"id": "x", "carrier": "UA", "score": 0.25, "late": False, "model": "m"}
    >>> differs(said, said | {"model": "n", "score": 0.2500005}), differs(said, said | {"score": 0.26})
    (False, True)
    """
    return (
        abs(candidate["score"] - production["score"]) > SCORE_ATOL
        or candidate["late"] is not production["late"]
        or candidate["id"] != production["id"]
        or candidate["carrier"] != production["carrier"]
    )


def run(limit: int | None = None, model: Frozen | None = None) -> dict[str, Any]:
    """Pairs and mismatches per candidate over the first `limit` flights (all by default), exactly.

    Returns `{"pairs": n, "mismatches": {candidate: s}, "late_bug": {...}}`. The last holds the switch (`from_ms`), how
    many of the carrier's flights are scheduled after it (`carrier_flights`), the event time of the first mismatch
    (`first_ms`, None where the limit ends before it) and that flight's number among the carrier's flights after the
    switch, counted from 1 (`first_number`). Trains the model where none is given.
    """
    model = model or train()
    pairs, carrier_flights = 0, 0
    mismatches = dict.fromkeys(JUDGES, 0)
    first_ms: int | None = None
    first_number: int | None = None
    for flight in records(limit):
        pairs += 1
        affected = flight["carrier"] == BUG_CARRIER and flight["scheduled_ms"] >= BUG_FROM_MS
        carrier_flights += affected
        production = model.judge(flight, PRODUCTION)
        for name, judge in JUDGES.items():
            if differs(production, judge(model, flight)):
                mismatches[name] += 1
                if name == "late_bug" and first_ms is None:
                    first_ms, first_number = flight["scheduled_ms"], carrier_flights
    switch = {
        "carrier": BUG_CARRIER,
        "from_ms": BUG_FROM_MS,
        "carrier_flights": carrier_flights,
        "first_ms": first_ms,
        "first_number": first_number,
    }
    return {"pairs": pairs, "mismatches": mismatches, "late_bug": switch}
