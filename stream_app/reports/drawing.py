"""How the project draws: colours that colour-blind people tell apart, and equal bytes."""

import io
from collections.abc import Callable, Sequence

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.patches import Rectangle

DPI = 110
INK, QUIET, WEAK = "#222222", "#8c8c8c", "#c1272d"
UNKNOWN, HATCH = "#d9d9d9", "#9a9a9a"
COLOUR_MAP, DIVERGING_MAP = "viridis", "RdBu_r"
BLUE, ORANGE, GREEN, RED, PURPLE = "#0072b2", "#e69f00", "#009e73", "#d55e00", "#cc79a7"
"""Of M. Okabe and K. Ito, Color Universal Design, 2008."""
LABEL_POINTS = 7.5


def png(draw: Callable[[], Figure]) -> bytes:
    """The picture that ``draw`` makes, whatever the user's own style: equal data, equal bytes."""
    with mpl.rc_context():
        mpl.rcdefaults()
        data = io.BytesIO()
        draw().savefig(data, format="png", metadata={"Software": None})
        return data.getvalue()


def empty_figure(width: float, height: float) -> Figure:
    """A figure of that size [inches], whose parts make room for one another."""
    figure = Figure(figsize=(width, height), dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def headline(figure: Figure, text: str) -> None:
    """Title of a whole picture."""
    figure.suptitle(text, x=0.01, ha="left", fontsize=12, color=INK, parse_math=False)


def title(axes: Axes, text: str) -> None:
    """Title of a part."""
    axes.set_title(text, loc="left", fontsize=LABEL_POINTS + 1, color=INK, parse_math=False)


def label(axes: Axes, which: str, ticks: Sequence[tuple[float, str]]) -> None:
    """Ticks of the axis ``x`` or ``y``, with their texts."""
    axis = axes.xaxis if which == "x" else axes.yaxis
    axis.set_ticks([at for at, _ in ticks])
    axis.set_ticklabels([text for _, text in ticks], fontsize=LABEL_POINTS, parse_math=False)


def plain(axes: Axes) -> None:
    """Take away what is no data."""
    axes.tick_params(length=2, color=QUIET, labelcolor=INK)
    for spine in axes.spines.values():
        spine.set_visible(False)


def unknown_area(rows: int, columns: int) -> Rectangle:
    """What lies behind an image of rows and columns, to be seen where a value is not known."""
    return Rectangle(
        (-0.5, -0.5),
        columns,
        rows,
        zorder=0,
        facecolor=UNKNOWN,
        edgecolor=HATCH,
        hatch="////",
        linewidth=0.0,
    )


def colour_bar(
    figure: Figure, image: AxesImage, axes: Sequence[Axes], text: str, extend: str
) -> None:
    """What the colours of an image mean; ``extend`` as of matplotlib."""
    bar = figure.colorbar(image, ax=axes, aspect=40, fraction=0.03, pad=0.01, extend=extend)
    bar.set_label(text, color=INK, fontsize=LABEL_POINTS + 1)
    bar.ax.tick_params(labelsize=LABEL_POINTS, length=2, color=QUIET, labelcolor=INK)
    bar.outline.set_visible(False)
