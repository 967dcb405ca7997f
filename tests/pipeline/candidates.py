"""The candidates of the tests' own trials, each as the text of a module that the runner imports from a folder.

A value is an order, `{"n": int, "amount": float, "customer": str}`. Production answers with `answer`; `FAULTY` differs
from it in `EACH` orders of every `OUT_OF` in each of five ways, and nowhere else.
"""

from typing import Any

OUT_OF = 100
"""One order of so many has each fault: the faults of order n are those of n % OUT_OF."""
DROPS, ADDS, RAISES, TOLERATED, IGNORED = 3, 23, 43, 63, 83
SCORE_ATOL = 1e-6


def answer(order: dict[str, Any]) -> dict[str, Any]:
    """What production says of an order."""
    amount = order["amount"]
    return {
        "id": f"order-{order['n']}",
        "score": amount / (amount + 50.0),
        "tags": ["big"] if amount > 500 else [],
        "customer": {"name": order["customer"], "model": "risk-1"},
    }


SAME = '''
def judge(order):
    """What production says, written by another program: the bytes differ, the values do not."""
    amount = order["amount"]
    return {
        "tags": ["big"] if amount > 500 else [],
        "customer": {"model": "risk-1", "name": order["customer"]},
        "score": amount / (amount + 50.0),
        "id": f"order-{order['n']}",
    }
'''

FAULTY = (
    SAME
    + f"""

from shadowstream.runner.outputs import Output


def faulty(order):
    said, kind = judge(order), order["n"] % {OUT_OF}
    if kind == {DROPS}:
        return None
    if kind == {ADDS}:
        return [said, Output(said, key=b"added-%d" % order["n"])]
    if kind == {RAISES}:
        raise ValueError("no score for order %d" % order["n"])
    if kind == {TOLERATED}:
        said["score"] += {SCORE_ATOL} / 2
    if kind == {IGNORED}:
        said["customer"]["model"] = "risk-2"
    return said
"""
)
