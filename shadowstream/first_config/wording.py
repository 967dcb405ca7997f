"""Words of the first config: counts with their share, and durations."""

from shadowstream.judge.evidence.rate_bounds import percent


def of_all(part: int, whole: int, named: str) -> str:
    """Format a part of counted things.

    >>> of_all(4812, 5000, "sampled outputs"), of_all(3, 3, "records")
    ('4,812 of 5,000 sampled outputs (96.24 %)', 'all 3 records')
    """
    if part == whole:
        return f"all {whole:,} {named}"
    return f"{part:,} of {whole:,} {named} ({percent(part / whole)})"


def duration(ms: float) -> str:
    """Format a time for people.

    >>> duration(12), duration(4_500), duration(90_000), duration(7_200_000), duration(200_000_000)
    ('12 ms', '4.5 s', '90 s', '2 h', '2.3 days')
    """
    units = ((86_400_000, "days"), (3_600_000, "h"), (1_000, "s"), (1, "ms"))
    unit, name = next((one for one in units if ms >= one[0] * (2 if one[1] == "days" else 1)), (1, "ms"))
    return f"{ms / unit:.2g} {name}" if ms / unit < 10 else f"{ms / unit:.0f} {name}"
