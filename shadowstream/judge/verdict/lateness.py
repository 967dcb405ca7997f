"""Quality of the evidence in time: the covered share of the least duration, and the share of late records.

A delta is late if the watermark of its task has passed its window (`event_windows`). Late counts are evidence and close
with the window in which their task is. No detector reads them, and they change the recent windows only if they belong
to one of them. So a verdict names a few late records, and many block promote: no detector would have read most of the
evidence. Corrections take back as many records as they add; they are not late records here.
"""

from shadowstream.judge.evidence.rate_bounds import percent
from shadowstream.judge.utc_text import utc_text
from shadowstream.judge.windows.closed_window import END
from shadowstream.judge.windows.covered_time import hours
from shadowstream.judge.windows.event_windows import Windows

WAITING_MAX = 0.01
"""Above this share, late records that are not counted yet may hide a rate that matters."""
NAMED_FROM = 0.01
LATE_MAX = 0.25


def reasons_of_time(windows: Windows, least_ms: int, final: bool = False) -> list[str]:
    """Return the reasons of time that block promote. `final`: no more records come."""
    return [*_duration(windows, least_ms, final), *_waiting(windows), *_late(windows)]


def caveats_of_time(windows: Windows) -> list[str]:
    """Return the caveats about late records and about records dated ahead of the clock."""
    caveats = []
    share = _late_share(windows)
    if NAMED_FROM <= share <= LATE_MAX:
        caveats.append(
            f"{windows.added_late} compared records ({_percent(share)}) came after their task had passed their window: "
            "they count as evidence, and no detector of change has seen them"
        )
    ahead = sum(task.ahead for task in windows.tasks.values())
    if ahead:
        caveats.append(
            f"{ahead} records are dated further ahead of the joiner's clock than future_ms_max: they count in the "
            "window of their own time, and no window closes by them"
        )
    return caveats


def _duration(windows: Windows, least_ms: int, final: bool) -> list[str]:
    covered_ms, span_ms = windows.covered.covered_ms, windows.covered.span_ms
    if covered_ms >= least_ms:
        return []
    how = (
        "the trial is at its end: run one over more of it, or set a smaller judge.min_duration_ms"
        if final
        else "let it run, or set judge.min_duration_ms"
    )
    return [
        f"covered {hours(covered_ms)} of the {hours(least_ms)} needed (span {hours(span_ms)}): only event time with "
        f"traffic counts; {how}"
    ]


def _waiting(windows: Windows) -> list[str]:
    waiting = windows.waiting_late()
    records = sum(waiting.values())
    total = sum(windows.covered.counts()) + records
    if records <= WAITING_MAX * total:
        return []
    at_ms = max(waiting)
    when = "at the end" if at_ms == END else f"with the window of {utc_text(at_ms)}"
    return [
        f"{records} compared records ({_percent(records / total)}) came late and are counted {when}: their task had "
        "passed their window before they came; wait for that window, and see whether records are dated ahead "
        "(future_ms_max)"
    ]


def _late(windows: Windows) -> list[str]:
    share = _late_share(windows)
    if share <= LATE_MAX:
        return []
    return [
        f"{windows.added_late} compared records ({_percent(share)}) came after their task had passed their window, at "
        f"most {_percent(LATE_MAX)} may: no detector of change has seen them; see whether records are dated ahead "
        "(future_ms_max), partitions are written one after the other, or idle_ms is too short"
    ]


def _late_share(windows: Windows) -> float:
    total = sum(windows.covered.counts())
    return windows.added_late / total if total > 0 else 0.0


def _percent(share: float) -> str:
    return percent(share, 3)
