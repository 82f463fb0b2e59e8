"""How figures look and how they become bytes: the same ones every time, in light and dark."""

import io
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import matplotlib
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colorbar import Colorbar
from matplotlib.colors import Colormap
from matplotlib.figure import Figure
from matplotlib.ticker import ScalarFormatter

if TYPE_CHECKING:
    from matplotlib.typing import RcKeyType

INK, MUTED, RULE, PAPER = "#1c2733", "#66727f", "#d9dfe6", "#fdfdfe"
ON_DARK, ON_LIGHT = "#fbfbfb", "#15191e"
SERIES = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#7f7f7f")
"""Okabe and Ito's colours, which people with every common colour vision can distinguish."""
MARKERS = ("o", "s", "D", "^", "v", "P", "X")

_THEMED = {INK: "var(--ink)", MUTED: "var(--muted)", RULE: "var(--rule)", PAPER: "var(--card)"}
_THEMED |= {color: f"var(--series-{i})" for i, color in enumerate(SERIES)}
_STYLE: "dict[RcKeyType, Any]" = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 9,
    "axes.labelsize": 9,
    "axes.edgecolor": RULE,
    "axes.labelcolor": INK,
    "axes.facecolor": PAPER,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": False,
    "grid.color": RULE,
    "grid.linewidth": 0.8,
    "figure.facecolor": PAPER,
    "text.color": INK,
    "xtick.color": RULE,
    "ytick.color": RULE,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "hatch.color": MUTED,
    "hatch.linewidth": 0.6,
    "legend.frameon": False,
    "lines.linewidth": 1.8,
    "savefig.facecolor": PAPER,
    "svg.fonttype": "none",
}


def canvas(
    width: float, height: float, rows: int = 1, columns: int = 1, **subplots: Any
) -> tuple[Figure, Any]:
    """An empty figure in the house style and its axes; no global state of matplotlib is touched.

    Args:
        width: In inches; a report shows an inch as about 96 pixels.
        height: In inches.
        rows: Of axes.
        columns: Of axes.
        **subplots: Passed to `Figure.subplots`.
    """
    with rc_context(_STYLE):
        figure = Figure(figsize=(width, height), layout="constrained")
        return figure, figure.subplots(rows, columns, **subplots)


def title(axes: Axes, text: str) -> None:
    """A heading above one of several panels."""
    axes.set_title(text, fontsize=10, fontweight="bold", loc="left", color=INK)


def light_grid(axes: Axes, axis: Literal["x", "y"] = "y") -> None:
    """Fine rules behind the data."""
    axes.grid(visible=True, axis=axis, color=RULE, linewidth=0.8)
    axes.set_axisbelow(True)


def plain_bar(bar: Colorbar) -> None:
    """A colour bar's look: no outline, no ticks, and whole numbers rather than an offset beside it."""
    bar.outline.set_visible(False)
    bar.ax.tick_params(length=0, labelcolor=INK, labelsize=8)
    bar.formatter = ScalarFormatter(useOffset=False)
    bar.update_ticks()


def literal(text: str) -> str:
    """Text that is drawn as it is: a dollar sign starts no formula."""
    return text.replace("$", r"\$")


def marked(number: int) -> str:
    """The ``gid`` of the element for a figure's mark of this number; see `analysis.document.Mark`."""
    return f"mark-{number}"


def hit_area(axes: Axes, x: float, y: float, number: int) -> None:
    """Lets a pointer that comes near a point find the mark of this number."""
    axes.plot(x, y, "o", color=PAPER, alpha=0, markersize=16, markeredgewidth=0, gid=marked(number))


def on_color(rgba: tuple[float, ...]) -> str:
    """A text colour that can be read on ``rgba``."""
    red, green, blue = rgba[:3]
    return ON_LIGHT if 0.299 * red + 0.587 * green + 0.114 * blue > 0.55 else ON_DARK


def svg(figure: Figure, name: str) -> str:
    """A figure as SVG, the same bytes for the same drawing.

    Args:
        figure: What `canvas` gave, drawn on.
        name: Unique within a document; ids inside the SVG are derived from it.
    """
    buffer = io.StringIO()
    with rc_context({**_STYLE, "svg.hashsalt": name}):
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    return text[text.index("<svg") :]


def inline_svg(
    figure: Figure, name: str, title: str, description: str, marks: Sequence[tuple[str, str]] = ()
) -> str:
    """A figure as an SVG element for a page: it follows the page's colours and font, and can be read aloud.

    Args:
        figure: What `canvas` gave, drawn on.
        name: Unique within the page.
        title: Short name, already escaped for HTML.
        description: What the figure shows, already escaped for HTML.
        marks: For every mark, by its number, its text, already escaped for HTML, and the rows of its trials.
    """
    text = svg(figure, name)
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r'<g id="mark-(\d+)">', lambda found: _mark(marks, int(found[1])), text)
    text = _own_ids(text, name)
    text = re.sub(r"font: ([^;\"']*?)'DejaVu Sans'[^;\"]*", r"font: \1var(--sans)", text)
    for color, variable in _THEMED.items():
        text = text.replace(color, variable)
    head = re.match(r"<svg[^>]*>", text)
    assert head is not None
    box = re.search(r'viewBox="[^"]*"', head.group())
    assert box is not None
    width = float(box.group().split()[2]) * 96 / 72
    labels = f'aria-labelledby="{name}-title {name}-description"'
    opening = (
        f'<svg role="img" {labels} {box.group()} style="--width:{width:.0f}px">'
        f'<title id="{name}-title">{title}</title><desc id="{name}-description">{description}</desc>'
    )
    return opening + text[head.end() :]


def _mark(marks: Sequence[tuple[str, str]], number: int) -> str:
    """The element of a mark, whose text browsers show; a plain one if it has no text."""
    if number >= len(marks):
        return "<g>"
    text, trials = marks[number]
    return f'<g class="mark" data-trials="{trials}"><title>{text}</title>'


def _own_ids(text: str, name: str) -> str:
    """Keeps ids that something refers to, made unique by ``name``, and drops all others."""
    used = set(re.findall(r'(?:url\(#|href="#)([^)"]+)', text))
    text = re.sub(r' id="([^"]*)"', lambda m: f' id="{name}-{m[1]}"' if m[1] in used else "", text)
    return re.sub(r'(url\(#|href="#)', rf"\1{name}-", text)


def png(figure: Figure, dpi: int = 150) -> bytes:
    """A figure as PNG, the same bytes for the same drawing."""
    FigureCanvasAgg(figure)
    buffer = io.BytesIO()
    with rc_context(_STYLE):
        figure.savefig(buffer, format="png", dpi=dpi, metadata={"Software": None})
    return buffer.getvalue()


def colormap(name: str) -> Colormap:
    """A colour map by matplotlib's name."""
    return matplotlib.colormaps[name]
