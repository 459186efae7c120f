"""What the dashboards share: variables, selectors, panels with the defaults of the house."""

from collections.abc import Sequence
from dataclasses import dataclass

from grafana_foundation_sdk.builders import (
    bargauge,
    common,
    dashboard,
    prometheus,
    stat,
    statetimeline,
    timeseries,
)
from grafana_foundation_sdk.models.common import (
    BarGaugeDisplayMode,
    BigValueColorMode,
    DataSourceRef,
    LegendDisplayMode,
    LegendPlacement,
    SortOrder,
    StackingMode,
    TooltipDisplayMode,
    VizOrientation,
)
from grafana_foundation_sdk.models.dashboard import (
    DashboardCursorSync,
    DashboardLinkType,
    FieldColorModeId,
    Threshold,
    ThresholdsMode,
    VariableOption,
    VariableRefresh,
    VariableSort,
)

from stream_app.metrics.catalogue import RECORDS
from stream_app.metrics.metric import Metric

WORKER = 'job=~"$job", instance=~"$instance"'
BLOCK = f'{WORKER}, site=~"$site", block=~"$block"'
METER = f'{WORKER}, site=~"$site"'
SYSTEM = f'{WORKER}, site=~"$site", system=~"$system"'
SOURCE = DataSourceRef(type_val="prometheus", uid="${datasource}")
NO_DATA = "no data"
STAT_WIDTH, STAT_HEIGHT, GRAPH_WIDTH, GRAPH_HEIGHT = 4, 4, 12, 8


@dataclass(frozen=True)
class Query:
    """A PromQL expression and the name of its series; ``instant`` asks for one value, now."""

    expr: str
    legend: str
    instant: bool = False


PanelBuilder = stat.Panel | timeseries.Panel | bargauge.Panel | statetimeline.Panel
Steps = Sequence[tuple[float | None, str]]
"""Thresholds: from this value on (None: from the lowest), this colour."""


def rate(metric: Metric, by: str = "job") -> str:
    """Per-second rate of a counter, summed over workers."""
    return f"sum by ({by}) (rate({metric.name}{{{WORKER}}}[$__rate_interval]))"


def quantile(metric: Metric, q: float) -> str:
    """Quantile of a histogram over all workers."""
    buckets = f"rate({metric.name}_bucket{{{WORKER}}}[$__rate_interval])"
    return f"histogram_quantile({q}, sum by (job, le) ({buckets}))"


def number(title: str, about: str, unit: str, query: Query, steps: Steps = ()) -> stat.Panel:
    """Show one number, coloured where ``steps`` are given."""
    panel = (
        stat.Panel()
        .title(title)
        .description(about)
        .unit(unit)
        .no_value(NO_DATA)
        .datasource(SOURCE)
        .span(STAT_WIDTH)
        .height(STAT_HEIGHT)
        .reduce_options(_last())
        .color_mode(BigValueColorMode.VALUE if steps else BigValueColorMode.NONE)
        .with_target(_target(query, "A"))
    )
    return panel.thresholds(_thresholds(steps)) if steps else panel


def graph(title: str, about: str, unit: str, *queries: Query) -> timeseries.Panel:
    """Draw lines over time."""
    panel = (
        timeseries.Panel()
        .title(title)
        .description(about)
        .unit(unit)
        .no_value(NO_DATA)
        .datasource(SOURCE)
        .span(GRAPH_WIDTH)
        .height(GRAPH_HEIGHT)
        .fill_opacity(10)
        .legend(
            common.VizLegendOptions()
            .display_mode(LegendDisplayMode.LIST)
            .placement(LegendPlacement.BOTTOM)
            .show_legend(True)
        )
        .tooltip(
            common.VizTooltipOptions().mode(TooltipDisplayMode.MULTI).sort(SortOrder.DESCENDING)
        )
    )
    for place, query in enumerate(queries):
        panel.with_target(_target(query, chr(ord("A") + place)))
    return panel


def stacked(title: str, about: str, unit: str, *queries: Query) -> timeseries.Panel:
    """Draw lines over time, one upon the other."""
    return graph(title, about, unit, *queries).stacking(
        common.StackingConfig().mode(StackingMode.NORMAL)
    )


def ranking(title: str, about: str, unit: str, query: Query) -> bargauge.Panel:
    """Show one bar for each series, as they are sorted now."""
    return (
        bargauge.Panel()
        .title(title)
        .description(about)
        .unit(unit)
        .no_value(NO_DATA)
        .datasource(SOURCE)
        .span(GRAPH_WIDTH)
        .height(GRAPH_HEIGHT)
        .min(0)
        .reduce_options(_last())
        .orientation(VizOrientation.HORIZONTAL)
        .display_mode(BarGaugeDisplayMode.BASIC)
        .color_scheme(dashboard.FieldColor().mode(FieldColorModeId.CONTINUOUS_BLUES))
        .with_target(_target(query, "A"))
    )


def bands(title: str, about: str, unit: str, query: Query, steps: Steps) -> statetimeline.Panel:
    """Show one band over time for each series, coloured by ``steps``."""
    return (
        statetimeline.Panel()
        .title(title)
        .description(about)
        .unit(unit)
        .no_value(NO_DATA)
        .datasource(SOURCE)
        .span(2 * GRAPH_WIDTH)
        .height(GRAPH_HEIGHT + 2)
        .merge_values(True)
        .thresholds(_thresholds(steps))
        .color_scheme(dashboard.FieldColor().mode(FieldColorModeId.THRESHOLDS))
        .with_target(_target(query, "A"))
    )


def board(
    title: str, uid: str, about: str, rows: Sequence[tuple[str, Sequence[PanelBuilder]]]
) -> dashboard.Dashboard:
    """Join rows of panels; ids follow their order, the rows' included."""
    result = (
        dashboard.Dashboard(title)
        .uid(uid)
        .description(about)
        .tags(["bess"])
        .timezone("utc")
        .time("now-6h", "now")
        .refresh("30s")
        .readonly()
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .link(
            dashboard.DashboardLink("BESS dashboards")
            .type(DashboardLinkType.DASHBOARDS)
            .tags(["bess"])
            .as_dropdown(True)
            .include_vars(True)
            .keep_time(True)
        )
    )
    result.with_variable(_datasource_variable())
    for place, (row, panels) in enumerate(rows):
        result.with_row(dashboard.Row(row).id(100 * (place + 1)))
        for offset, panel in enumerate(panels, start=1):
            result.with_panel(panel.id(100 * (place + 1) + offset))
    return result


def worker_variables() -> list[dashboard.QueryVariable]:
    """Make the variables that choose workers."""
    return [
        _variable("job", "Job", f"label_values({RECORDS.name}, job)"),
        _variable("instance", "Instance", f'label_values({RECORDS.name}{{job=~"$job"}}, instance)'),
    ]


def block_variables(metric: Metric) -> list[dashboard.QueryVariable]:
    """Make the variables that choose sites and power blocks that have ``metric``."""
    return [
        _variable("site", "Site", f"label_values({metric.name}{{{WORKER}}}, site)"),
        _variable(
            "block",
            "Power block",
            f'label_values({metric.name}{{{WORKER}, site=~"$site"}}, block)',
        ),
    ]


def system_variables(metric: Metric) -> list[dashboard.QueryVariable]:
    """Make the variables that choose sites and battery systems that have ``metric``."""
    return [
        _variable("site", "Site", f"label_values({metric.name}{{{WORKER}}}, site)"),
        _variable(
            "system",
            "Battery system",
            f'label_values({metric.name}{{{WORKER}, site=~"$site"}}, system)',
        ),
    ]


def _datasource_variable() -> dashboard.DatasourceVariable:
    return dashboard.DatasourceVariable("datasource").label("Data source").type("prometheus")


def _variable(name: str, label: str, query: str) -> dashboard.QueryVariable:
    return (
        dashboard.QueryVariable(name)
        .label(label)
        .datasource(SOURCE)
        .query({"query": query, "refId": f"{name}-variable"})
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(VariableSort.NATURAL_ASC)
        .multi(True)
        .include_all(True)
        .all_value(".+")
        .current(VariableOption(selected=True, text="All", value="$__all"))
    )


def _target(query: Query, ref: str) -> prometheus.Dataquery:
    target = (
        prometheus.Dataquery()
        .datasource(SOURCE)
        .expr(query.expr)
        .legend_format(query.legend)
        .ref_id(ref)
    )
    return target.instant() if query.instant else target.range()


def _last() -> common.ReduceDataOptions:
    return common.ReduceDataOptions().calcs(["lastNotNull"]).values(False)


def _thresholds(steps: Steps) -> dashboard.ThresholdsConfig:
    levels = [Threshold(value=value, color=color) for value, color in steps]
    return dashboard.ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(levels)
