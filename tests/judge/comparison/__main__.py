"""`make judge-compare`: all judges on the same data, into docs/judge-compare.md and docs/judge-compare.svg."""

import math
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from tests.judge.comparison.peers import ALPHA, LIMIT, PRODUCTION, RULES
from tests.judge.comparison.runs import AT_ONCE, BY_DEFAULT, JUDGES, UNITS, WINDOWS, Cell, Share, Sizes, table

DOCS = Path(__file__).parents[3] / "docs"
RULE_TEXTS = {
    AT_ONCE: "its real step; a verdict after every window, with `min_duration_ms: 0`",
    BY_DEFAULT: "the same with the default of 24 h",
    **{name: str(rule.__doc__) for name, rule in RULES.items()},
}
INTRODUCTION = f"""\
# The judge beside others

`make judge-compare` writes this page: it runs shadowstream's judge and likenesses of eight others on the same data,
from one seed. The terms are in the [glossary](glossary.md).

A candidate must not be bad in {LIMIT:g} of its records. Production is bad in {PRODUCTION:g}. Each judge is asked after
every window, for {WINDOWS} windows of 500, 5,000 or 50 records. Its first promote counts, as with `gate --wait`.
A judge holds the limit if it promotes a candidate *exactly at* the limit in at most {ALPHA:g} of the runs, at every
traffic.

![Share that each judge promotes exactly at the limit, and records until it promotes a good one](judge-compare.svg)
"""
RULES_NOTE = """\
## The rules

The likenesses follow the documented rules (`tests/judge/comparison/peers.py`), with one metric: the rate of bad records
per window. Kayenta and LaunchDarkly compare with production, not with a limit. Where traffic is large, a candidate at
the limit is a regression to them. Where it is small, they promote one that is far worse, because nothing is shown
against it.
"""
_SETTINGS: dict[Any, Any] = {"svg.hashsalt": "shadowstream", "svg.fonttype": "none", "font.size": 9}
Shares = Mapping[tuple[str, Cell], Share]


def page(shares: Shares, sizes: Sizes) -> str:
    """Return the page as Markdown."""
    return "\n".join(
        [
            INTRODUCTION,
            "## Promoted exactly at the limit",
            "",
            "Share of the runs that are ever promoted, and its exact binomial interval (95 %).",
            "",
            *_rows(
                ["judge", *(f"{units:,} a window" for units in UNITS), "runs each", f"at most {ALPHA:g} at each"],
                [
                    [
                        *(_interval(shares[judge, Cell(units, LIMIT)]) for units in UNITS),
                        f"{sizes.of(judge, LIMIT):,}",
                        _holds([shares[judge, Cell(units, LIMIT)] for units in UNITS]),
                    ]
                    for judge in JUDGES
                ],
            ),
            "",
            f"*No*: the whole interval lies over {ALPHA:g} at some traffic.",
            "",
            "## Promoted over the limit",
            "",
            *_rows(
                ["judge", *(f"{rate:g}, {units:,}" for rate in (1.5 * LIMIT, 2 * LIMIT) for units in UNITS)],
                [
                    [
                        _interval(shares[judge, Cell(units, rate)])
                        for rate in (1.5 * LIMIT, 2 * LIMIT)
                        for units in UNITS
                    ]
                    for judge in JUDGES
                ],
            ),
            "",
            "## The price: good candidates, and the time to a reject",
            "",
            "At 500 a window. Medians are in records.",
            "",
            *_rows(
                [
                    "judge",
                    f"promoted at {PRODUCTION:g}",
                    "records until then",
                    "to reject at .02",
                    "to reject at .05",
                    f"runs (at {2 * LIMIT:g})",
                ],
                [_price(judge, shares) for judge in JUDGES],
            ),
            "",
            RULES_NOTE,
            *_rows(["judge", "rule"], [[RULE_TEXTS[judge].rstrip(".")] for judge in JUDGES]),
            "",
        ]
    )


def _rows(head: Sequence[str], cells: Sequence[Sequence[str]]) -> list[str]:
    rows = [[judge, *row] for judge, row in zip(JUDGES, cells, strict=True)]
    return [f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows)]


def _price(judge: str, shares: Shares) -> list[str]:
    good, twice, five = (shares[judge, Cell(UNITS[0], rate)] for rate in (PRODUCTION, 2 * LIMIT, 5 * LIMIT))
    medians = [good.records_to_promote, twice.records_to_reject, five.records_to_reject]
    return [_interval(good), *map(_records, medians), f"{twice.runs:,}"]


def _interval(share: Share) -> str:
    low, high = share.interval
    return f"{share.value:.3f} [{low:.3f}, {high:.3f}]"


def _records(median: float) -> str:
    return "never" if math.isnan(median) else f"{median:,.0f}"


def _holds(shares: Sequence[Share]) -> str:
    return "no" if any(share.interval[0] > ALPHA for share in shares) else "yes"


def plot(shares: Shares) -> Figure:
    """Draw the share promoted at the limit by traffic, and the records until a good candidate is promoted."""
    figure = Figure(figsize=(11, 3.9), layout="constrained")
    at_limit, price = figure.subplots(1, 2, sharey=True, width_ratios=(3, 2))
    places = range(len(JUDGES))
    for offset, units in zip((-0.22, 0.0, 0.22), UNITS, strict=True):
        found = [shares[judge, Cell(units, LIMIT)] for judge in JUDGES]
        values = [share.value for share in found]
        beside = [
            [max(0.0, share.value - share.interval[0]) for share in found],
            [max(0.0, share.interval[1] - share.value) for share in found],
        ]
        heights = [place + offset for place in places]
        at_limit.errorbar(values, heights, xerr=beside, fmt="o", ms=4, lw=1, label=f"{units:,} a window")
    at_limit.axvline(ALPHA, color="#c53030", lw=1, ls="--", label=f"alpha {ALPHA:g}")
    at_limit.set(xlabel="share promoted exactly at the limit (95 % interval)", xlim=(-0.02, 1.02))
    at_limit.set_yticks(list(places), [judge.replace("**", "") for judge in JUDGES])
    at_limit.invert_yaxis()
    at_limit.legend(loc="upper right", framealpha=1)
    records = [shares[judge, Cell(UNITS[0], PRODUCTION)].records_to_promote for judge in JUDGES]
    price.barh(list(places), records, height=0.5, color="#4a5568")
    price.set(xlabel=f"median records to promote a rate of {PRODUCTION:g}", xscale="log")
    for axes in (at_limit, price):
        axes.grid(alpha=0.3, axis="x")
    return figure


def main() -> int:
    """Run everything, write page and plot; 1 if shadowstream does not hold its limit."""
    began, sizes = time.monotonic(), Sizes()
    shares = table(sizes)
    (DOCS / "judge-compare.md").write_text(page(shares, sizes), "utf-8")
    with mpl.rc_context(_SETTINGS):
        FigureCanvasSVG(plot(shares)).print_svg(DOCS / "judge-compare.svg", metadata={"Date": None})
    for judge in JUDGES:
        at_limit = [shares[judge, Cell(units, LIMIT)] for units in UNITS]
        print(f"{judge:45} {'; '.join(map(_interval, at_limit))}  at most {ALPHA:g}: {_holds(at_limit)}")
    print(f"{time.monotonic() - began:.0f} s; written: docs/judge-compare.md, docs/judge-compare.svg")
    held = [_holds([shares[judge, Cell(units, LIMIT)] for units in UNITS]) for judge in (AT_ONCE, BY_DEFAULT)]
    return int("no" in held)


if __name__ == "__main__":
    sys.exit(main())
