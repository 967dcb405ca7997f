"""Rates as text, separate from code that needs SciPy."""


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
