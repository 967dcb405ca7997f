"""Caveats about refused records of shadowstream's own topics, which count in nothing."""

from shadowstream.config import Config
from shadowstream.judge.evidence.rate_bounds import percent
from shadowstream.judge.windows.event_windows import Windows

_WORDS = {"schema": "not written by shadowstream", "decode": "broken", "refused": "with impossible contents"}


def refusals_of(config: Config, windows: Windows) -> list[str]:
    """Return the caveats about refused records. The remainder shows whether statistics are missing for them."""
    return [*_of_stats(config, windows), *_of_marks(config, windows)]


def _of_stats(config: Config, windows: Windows) -> list[str]:
    refused = windows.refused.total()
    if not refused:
        return []
    taken = sum(task.numbers.last - task.numbers.missing for task in windows.tasks.values())
    kinds = ", ".join(f"{n} {_WORDS.get(reason, reason)}" for reason, n in sorted(windows.refused.items()))
    return [
        f"{refused} records of {config.plan.of('stats')} were refused and count in nothing ({kinds}; "
        f"{percent(refused / (refused + taken), 3)} of its records): see stats_unreadable in the log of the judge, and "
        "let nobody but the roles of this trial write there; statistics that are lost show as a remainder"
    ]


def _of_marks(config: Config, windows: Windows) -> list[str]:
    refused = max((task.refused_marks for task in windows.tasks.values()), default=0)
    if not refused:
        return []
    return [
        f"{refused} marks of {config.plan.of('progress')} were refused by the joiner: inputs without output that they "
        "may have named count as missing without a reason. See mark_unreadable in its log, run runner and joiner of "
        "one release, and let nobody but the roles of this trial write there"
    ]
