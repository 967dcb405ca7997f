"""The most frequent errors of the candidate, as text."""

from collections.abc import Mapping
from typing import Any

from shadowstream.protocol.outcomes import FAILED, Outcome

SHOWN_MAX = 3


def failure_lines(verdict: Mapping[str, Any]) -> list[str]:
    """Return the most frequent failures of the candidate as one line; none without failures.

    >>> failure_lines({"outcomes": {"candidate_error": 5, "timeout": 1}, "outcome_reasons": {
    ...     "candidate_error: TypeError: no q": 4, "candidate_error: KeyError: 'a'": 1, "timeout: no answer": 1}})
    ["top errors: 4 x TypeError: no q; 1 x KeyError: 'a'; 1 x timeout: no answer"]
    >>> failure_lines({"outcomes": {"candidate_error": 5000, "crashed": 1}})
    ['top errors: 5,000 x candidate_error; 1 x crashed; `shadowstream diff CONFIG` shows the reason of each']
    """
    errors: list[tuple[int, str]] = []
    for outcome in FAILED:
        head = f"{outcome}: "
        named = {n: c for n, c in (verdict.get("outcome_reasons") or {}).items() if n.startswith(head)}
        errors += [(n, name.removeprefix(f"{Outcome.CANDIDATE_ERROR}: ")) for name, n in named.items()]
        if not named and verdict["outcomes"].get(outcome, 0) > 0:
            errors.append((verdict["outcomes"][outcome], outcome))
    if not errors:
        return []
    errors.sort(key=lambda item: (-item[0], item[1]))
    shown = "; ".join(f"{n:,} x {text}" for n, text in errors[:SHOWN_MAX])
    explained = any(text not in FAILED for _, text in errors)
    return [f"top errors: {shown}" + ("" if explained else "; `shadowstream diff CONFIG` shows the reason of each")]
