"""Rates as text, separate from code that needs SciPy."""

BAD_WORDS = {
    "mismatch": "wrong",
    "field": "wrong",
    "missing": "missing",
    "extra": "extra",
    "error": "failed",
    "duplicate": "repeated",
    "slower": "slower",
    "over": "too slow",
    "labels": "wrong by their labels",
    "unstable": "unstable",
}
"""Words of people for the bad units of a rate."""


def percent(share: float, digits: int = 4) -> str:
    """Format a share in percent for sentences. A share below all is never shown as all.

    >>> percent(0.01), percent(0.02571, 3), percent(0.72), percent(0.999999), percent(0.9996, 3), percent(1.0)
    ('1 %', '2.57 %', '72 %', 'over 99.99 %', '99.96 %', '100 %')
    >>> percent(0.00001), percent(0.0000001), percent(0.0)
    ('0.001 %', 'under 0.0001 %', '0 %')
    """
    if 0.0 < share < 0.000001:
        return "under 0.0001 %"
    if share < 1.0 <= float(f"{share:.{digits}g}"):
        return "over 99.99 %" if share > 0.9999 else f"{100 * share:.4g} %"
    return f"{100 * share:.{digits}g} %"


def rate_in_words(criterion: str, bad: float, n: float, units: str) -> str:
    """Format the rate of a criterion in words of people. The id of a criterion begins with its rate.

    >>> rate_in_words("mismatch", 705, 2126, "pairs"), rate_in_words("mean:score", 0.0, 0, "pairs")
    ('33.2 % wrong (705 of 2,126 pairs)', 'nothing counted')
    """
    if not n:
        return "nothing counted"
    rate = criterion.partition(":")[0].partition("@")[0]
    return f"{percent(bad / n, 3)} {BAD_WORDS.get(rate, 'bad')} ({amount(bad)} of {amount(n)} {units})"


def amount(value: float) -> str:
    """Format a count as it is, and a sum of shares with six digits.

    >>> amount(1234567), amount(24.0), amount(0.1234567)
    ('1,234,567', '24', '0.123457')
    """
    return f"{value:,.0f}" if value == round(value) else f"{value:,.6g}"
