"""Grafana dashboard of all trials: one row of panels for each question that people ask of a trial.

Variables choose the data source, the trial and revisions. A metric of a process belongs to the revision that the
process shows in `build_info`.
"""

import json
from typing import NamedTuple

from grafana_foundation_sdk.builders.common import VizLegendOptions
from grafana_foundation_sdk.builders.dashboard import (
    Dashboard,
    DatasourceVariable,
    QueryVariable,
    Row,
    ThresholdsConfig,
)
from grafana_foundation_sdk.builders.prometheus import Dataquery
from grafana_foundation_sdk.builders.stat import Panel as Stat
from grafana_foundation_sdk.builders.table import Panel as Table
from grafana_foundation_sdk.builders.timeseries import Panel as TimeSeries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.common import DataSourceRef, LegendDisplayMode, LegendPlacement
from grafana_foundation_sdk.models.dashboard import (
    DataTransformerConfig,
    Threshold,
    ThresholdsMode,
    ValueMap,
    ValueMappingResult,
    VariableRefresh,
)
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from shadowstream.metrics import DECISIONS
from tests.monitoring import expressions

TITLE, UID = "shadowstream trials", "shadowstream-trials"
TRIAL = 'shadow="$trial"'
SOURCE = DataSourceRef(type_val="prometheus", uid="${datasource}")
COLORS = {"promote": "green", "reject": "red", "not_yet": "yellow"}
WIDTH, HEIGHT, STAT_HEIGHT = 24, 8, 4
LETTERS = "ABCDEFGH"  # reference ids of the queries of one panel
REVISION = 'revision=~"$revision"'
NOT_COMPARED = 'outcome=~"undecodable.*|unpairable.*|evicted|uncompared"'
CPU = "rate(process_cpu_seconds_total[$__rate_interval])"


class Figure(NamedTuple):
    """A number at the top: red from `red` on, or up to it if `low_is_bad`."""

    title: str
    expr: str
    unit: str
    red: float | None = None
    low_is_bad: bool = False


class Plot(NamedTuple):
    """Lines over time; `lines` are pairs of an expression and its legend."""

    title: str
    unit: str
    lines: tuple[tuple[str, str], ...]
    text: str = ""


def of_trial(name: str, *matchers: str) -> str:
    return expressions.metric(name, *matchers, trial=TRIAL)


OF_REVISION = f"on (job, instance) {of_trial('build_info', REVISION)}"


def shown(expr: str) -> str:
    """Return an expression without the processes of other revisions."""
    return f"{expr} and {OF_REVISION}"


def gauge(name: str, *matchers: str) -> str:
    return shown(of_trial(name, *matchers))


def speed(name: str, *matchers: str) -> str:
    return shown(f"rate({of_trial(name, *matchers)}[$__rate_interval])")


def quantile(share: float, name: str, by: str) -> str:
    return f"histogram_quantile({share}, sum by ({by}) ({speed(f'{name}_bucket')}))"


def of_process(expr: str) -> str:
    """Return a metric of prometheus-client's process collector, with the role of its process."""
    return f"{expr} * on (job, instance) group_left (role) {of_trial('build_info', REVISION)}"


def code(decision: str) -> str:
    """Return an expression that is the decision's number in `DECISIONS`, from 1 on, while it holds."""
    matcher = f'decision="{decision}"'
    return f"{DECISIONS.index(decision) + 1} * max({gauge('verdict', matcher)})"


MISMATCH, LATENCY = 'criterion="mismatch"', "latency_seconds"
FIGURES = (
    Figure("Age of the verdict", f"time() - max({gauge('last_verdict_timestamp_seconds')})", "s", 300),
    Figure("Open incidents", f"max({gauge('incidents_open')})", "short", 1),
    Figure(
        "Least coverage less minimum",
        f"min({gauge('coverage')}) - max({gauge('coverage_minimum')})",
        "percentunit",
        0,
        True,
    ),
    Figure("Records not accounted for", f"max({gauge('conservation_remainder')})", "short", 1),
    Figure("Closed windows", f"max({gauge('windows_closed')})", "short"),
)
COLUMNS = {
    "rate": "rate",
    "criterion_limit": "limit",
    "criterion_units": "units n",
    "criterion_bad_units": "bad units s",
    "evidence": "ln E below the limit",
}
ROWS: dict[str, tuple[Plot, ...]] = {
    "Comparison": (
        Plot(
            "Mismatch rate and its limit",
            "percentunit",
            (
                (f"max({gauge('rate', MISMATCH)})", "rate"),
                (f"max({gauge('criterion_limit', MISMATCH)})", "limit"),
            ),
            "Over closed windows. The verdict rests on the evidence, not on the rate alone.",
        ),
        Plot(
            "Evidence by criterion",
            "short",
            ((f"max by (criterion) ({gauge('evidence')})", "{{criterion}}"),),
            "ln E that the rate is under its limit: it has to rise for a promote.",
        ),
        Plot(
            "Coverage and its minimum",
            "percentunit",
            (
                (f"min by (side) ({gauge('coverage')})", "{{side}}"),
                (f"max({gauge('coverage_minimum')})", "minimum"),
            ),
        ),
        Plot("Pairs by outcome", "ops", ((f"sum by (outcome) ({speed('pairs_total')})", "{{outcome}}"),)),
        Plot(
            "Paths that differ most",
            "ops",
            ((f"topk(10, sum by (path, kind) ({speed('difference_total')}))", "{{path}} ({{kind}})"),),
        ),
        Plot("Open incidents", "short", ((f"max({gauge('incidents_open')})", "open"),)),
        Plot(
            "Outcomes that a late partner corrected",
            "ops",
            ((f"sum by (from_outcome, outcome) ({speed('corrections_total')})", "{{from_outcome}} to {{outcome}}"),),
        ),
        Plot(
            "Pairs that differ across two schemas",
            "ops",
            ((f"sum by (change) ({speed('schema_change_pairs_total')})", "{{change}}"),),
        ),
        Plot("Rows of diff that were cut", "ops", ((f"sum({speed('rows_cut_total')})", "rows"),)),
        Plot(
            "Candidate called again",
            "ops",
            (
                (f"sum by (result) ({speed('rechecks_total')})", "pairs {{result}}"),
                (f"sum by (result) ({speed('second_answers_total')})", "calls {{result}}"),
            ),
        ),
    ),
    "Lag and throughput": (
        Plot("Lag", "short", ((f"sum by (role, side) ({gauge('lag_records')})", "{{role}} {{side}}"),), "In records."),
        Plot(
            "Age of the newest record read",
            "s",
            ((f"max by (role, side) ({gauge('lag_seconds')})", "{{role}} {{side}}"),),
        ),
        Plot("Records ended", "ops", ((f"sum by (role, side) ({speed('records_total')})", "{{role}} {{side}}"),)),
        Plot(
            "Records that wait for a partner", "short", ((f"sum by (side) ({gauge('pending_records')})", "{{side}}"),)
        ),
        Plot(
            "Memory of records that wait",
            "bytes",
            (
                (f"sum by (side) ({gauge('pending_bytes')})", "{{side}} in memory"),
                (f"sum by (side) ({gauge('spilled_bytes')})", "{{side}} in the spill file"),
            ),
        ),
        Plot(
            "Event time behind the clock",
            "s",
            ((f"time() - min by (side) ({gauge('watermark_seconds')})", "{{side}}"),),
            "How far the joiner has read each side, in event time.",
        ),
    ),
    "Latency": (
        Plot(
            "From input to output, p50 and p99 of both sides",
            "s",
            tuple((quantile(share, LATENCY, "side, le"), f"{{{{side}}}} p{share * 100:.0f}") for share in (0.5, 0.99)),
            "Of compared pairs; only with compare.latency in the config.",
        ),
        Plot("One call of the candidate, p99", "s", ((quantile(0.99, "candidate_seconds", "le"), "call"),)),
        Plot("Commit, p99", "s", ((quantile(0.99, "commit_seconds", "role, le"), "{{role}}"),)),
    ),
    "Roles": (
        Plot("Processes", "short", ((f"count by (role) ({gauge('build_info')})", "{{role}}"),)),
        Plot(
            "Since the last turn",
            "s",
            ((f"time() - max by (role) ({gauge('heartbeat_timestamp_seconds')})", "{{role}}"),),
        ),
        Plot(
            "CPU",
            "short",
            (
                (f"sum by (role) ({of_process(CPU)})", "{{role}}"),
                (f"sum by (role) ({speed('children_cpu_seconds')})", "{{role}}, child processes"),
            ),
            "Cores.",
        ),
        Plot(
            "Memory",
            "bytes",
            (
                (f"sum by (role) ({of_process('process_resident_memory_bytes')})", "{{role}}"),
                (f"sum by (role) ({gauge('children_resident_memory_bytes')})", "{{role}}, child processes"),
            ),
        ),
        Plot(
            "Brokers, quotas and own limits",
            "short",
            (
                (f"min by (role) ({gauge('brokers_up')})", "{{role}} brokers connected"),
                (f"max by (role) ({gauge('throttled_seconds')})", "{{role}} delay, s"),
                (f"sum by (role) ({speed('rate_limited_seconds_total')})", "{{role}} share of time at its own limits"),
            ),
        ),
        Plot("Received", "Bps", ((f"sum by (role) ({speed('received_bytes_total')})", "{{role}}"),)),
    ),
    "Errors": (
        Plot(
            "Failures of the candidate",
            "ops",
            ((f"sum by (exception) ({speed('candidate_errors_total')})", "{{exception}}"),),
        ),
        Plot(
            "Records that were not compared",
            "ops",
            ((f"sum by (side, outcome) ({speed('records_total', NOT_COMPARED)})", "{{side}} {{outcome}}"),),
        ),
        Plot("Aborted transactions", "ops", ((f"sum by (role) ({speed('aborts_total')})", "{{role}}"),)),
        Plot(
            "Alerts by result",
            "ops",
            ((f"sum by (target, result) ({speed('deliveries_total')})", "{{target}} {{result}}"),),
        ),
        Plot(
            "Alerts that wait for their channel",
            "short",
            ((f"sum by (target) ({gauge('deliveries_open')})", "{{target}}"),),
        ),
    ),
}


def dashboard() -> Dashboard:
    """Return the dashboard as a builder."""
    made = (
        Dashboard(TITLE)
        .uid(UID)
        .description("Made from shadowstream's table of metrics by `python -m tests.monitoring`.")
        .tags(["shadowstream", "kafka"])
        .timezone("browser")
        .refresh("30s")
        .time("now-6h", "now")
        .readonly()
        .with_variable(DatasourceVariable("datasource").label("Data source").type("prometheus"))
        .with_variable(_variable("trial", "Trial", f"label_values({expressions.metric('build_info')}, shadow)"))
        .with_variable(
            _variable("revision", "Revision", f"label_values({of_trial('build_info')}, revision)")
            .multi(True)
            .include_all(True)
            .all_value(".*")
        )
        .with_row(Row("Verdict"))
        .with_panel(_decision())
    )
    for figure in FIGURES:
        made = made.with_panel(_figure(figure))
    made = made.with_panel(_criteria())
    for title, plots in ROWS.items():
        made = made.with_row(Row(title))
        for plot in plots:
            made = made.with_panel(_plot(plot, WIDTH // (3 if len(plots) % 3 == 0 else 2)))
    return made


def text() -> str:
    """Return the dashboard as Grafana imports it."""
    return json.dumps(json.loads(JSONEncoder().encode(dashboard().build())), indent=2, ensure_ascii=False) + "\n"


def _variable(name: str, label: str, query: str) -> QueryVariable:
    made = QueryVariable(name).label(label).datasource(SOURCE).query(query)
    return made.refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)


def _query(expr: str, legend: str = "", letter: str = "A") -> Dataquery:
    return Dataquery().ref_id(letter).expr(expr).legend_format(legend).datasource(SOURCE)


def _stat(title: str, expr: str) -> Stat:
    made = Stat().title(title).datasource(SOURCE).height(STAT_HEIGHT).span(WIDTH // (1 + len(FIGURES)))
    return made.with_target(_query(expr).instant())


def _steps(red: float | None, low_is_bad: bool) -> ThresholdsConfig:
    first, then = ("red", "green") if low_is_bad else ("green", "red")
    steps = [Threshold(value=None, color=first), *([] if red is None else [Threshold(value=red, color=then)])]
    return ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(steps)


def _decision() -> Stat:
    words = {
        str(1 + place): ValueMappingResult(text=decision.replace("_", " "), color=COLORS[decision])
        for place, decision in enumerate(DECISIONS)
    }
    expr = " + ".join(code(decision) for decision in DECISIONS)
    return _stat("Verdict", expr).mappings([ValueMap(options=words)])


def _figure(figure: Figure) -> Stat:
    made = _stat(figure.title, figure.expr).unit(figure.unit)
    return made.thresholds(_steps(figure.red, figure.low_is_bad))


def _criteria() -> Table:
    made = Table().title("Criteria").datasource(SOURCE).height(HEIGHT).span(WIDTH)
    renamed = {"criterion": "criterion"}
    for letter, (name, column) in zip(LETTERS, COLUMNS.items(), strict=False):
        query = _query(f"max by (criterion) ({gauge(name)})", letter=letter).instant().format(PromQueryFormat.TABLE)
        made, renamed[f"Value #{letter}"] = made.with_target(query), column
    options = {"excludeByName": {"Time": True}, "renameByName": renamed}
    made = made.with_transformation(DataTransformerConfig(id_val="merge", options={}))
    return made.with_transformation(DataTransformerConfig(id_val="organize", options=options))


def _plot(plot: Plot, span: int) -> TimeSeries:
    legend = VizLegendOptions().show_legend(True).placement(LegendPlacement.BOTTOM)
    made = (
        TimeSeries()
        .title(plot.title)
        .description(plot.text)
        .datasource(SOURCE)
        .height(HEIGHT)
        .span(span)
        .unit(plot.unit)
        .legend(legend.display_mode(LegendDisplayMode.LIST))
    )
    for letter, (expr, name) in zip(LETTERS, plot.lines, strict=False):
        made = made.with_target(_query(expr, name, letter))
    return made
