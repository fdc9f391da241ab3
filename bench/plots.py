"""The plots of docs/explanation/plots, from what ``bench.growth`` wrote down: lines over two logarithmic axes, as SVG.

The same data give the same bytes, so that scripts/generate_docs.py can tell whether a plot is up to date.
"""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from xml.sax.saxutils import escape

WRITTEN = Path(__file__).resolve().parents[1] / "docs" / "explanation" / "data" / "growth.json"

Line = tuple[str, Sequence[tuple[float, float]]]
"""Its name, and its points."""

_WIDTH, _HEIGHT = 720, 400
_LEFT, _RIGHT, _TOP, _BOTTOM = 70, 210, 40, 50
_COLOURS = ("#1b6ca8", "#c8553d", "#588157", "#8e5ea2", "#c99700", "#4f5d75")
_DASHES = ("", "6 3", "2 3")
_SHORT = {"object storage on disk": "file:"}


class Plot(NamedTuple):
    """What one picture shows: a figure of some series, over what grows in them."""

    title: str
    across: str
    up: str
    figure: str
    series: Sequence[str]


_COSTS = ("waiting", "waiting beside scheduled", "waiting beside finished")
PLOTS: Mapping[str, Plot] = {
    **{
        f"{figure}-waiting": Plot(
            f"To {figure} a job, as more wait", "jobs that wait", "microseconds a job", figure, _COSTS
        )
        for figure in ("enqueue", "claim", "complete")
    },
    **{
        f"{figure}-queues": Plot(
            f"To {figure} a job, over more queues", "queues", "microseconds a job", figure, ["queues"]
        )
        for figure in ("enqueue", "claim")
    },
    **{
        f"{figure}-payloads": Plot(
            f"To {figure} a job, as payloads grow", "bytes of a payload", "microseconds a job", figure, ["payloads"]
        )
        for figure in ("enqueue", "claim")
    },
    "memory": Plot("What a waiting job weighs in this process", "jobs that wait", "bytes", "bytes", ["waiting"]),
    "opening": Plot(
        "Until an opened store has handed out a job", "jobs that wait", "milliseconds", "open", ["opening"]
    ),
}
_IN_MEMORY = ("memory", "hybrid", "object storage on disk")
"""The storages whose waiting jobs are in the process."""


def drawn(path: Path = WRITTEN) -> Mapping[str, str]:
    """The pictures by the names of their files; none where nothing was measured."""
    if not path.exists():
        return {}
    found = json.loads(path.read_text(encoding="utf-8"))["found"]
    pictures = {name: lines_of(plot, found) for name, plot in PLOTS.items()}
    return {f"{name}.svg": draw(PLOTS[name], lines) for name, lines in pictures.items() if lines}


def lines_of(plot: Plot, found: Sequence[Mapping[str, Any]]) -> Sequence[Line]:
    """A line for each storage and series."""
    lines: list[Line] = []
    for one in found:
        if one["series"] not in plot.series or (plot.figure == "bytes" and one["storage"] not in _IN_MEMORY):
            continue
        beside = one["series"].partition(" beside ")[2]
        name = _SHORT.get(one["storage"], one["storage"]) + (f", 1 M {beside}" if beside else "")
        points = [(point["x"], point[plot.figure]) for point in one["points"] if point.get(plot.figure, 0) > 0]
        lines.append((name, points))
    return [line for line in lines if line[1]]


def draw(plot: Plot, lines: Sequence[Line]) -> str:
    """One picture."""
    across = Axis([x for _, points in lines for x, _ in points], _LEFT, _WIDTH - _RIGHT)
    up = Axis([y for _, points in lines for _, y in points], _HEIGHT - _BOTTOM, _TOP)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" font-family="sans-serif" '
        f'font-size="12"><title>{escape(plot.title)}</title>',
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="#ffffff"/>',
        text(_LEFT, 22, plot.title, size=15),
        text((_LEFT + _WIDTH - _RIGHT) / 2, _HEIGHT - 12, plot.across, anchor="middle"),
        f'<g transform="rotate(-90 16 {_HEIGHT / 2:g})">{text(16, _HEIGHT / 2, plot.up, anchor="middle")}</g>',
    ]
    for value in across.ticks:
        x = across.place(value)
        parts.append(rule(x, _TOP, x, _HEIGHT - _BOTTOM))
        parts.append(text(x, _HEIGHT - _BOTTOM + 16, number(value), anchor="middle"))
    for value in up.ticks:
        y = up.place(value)
        parts.append(rule(_LEFT, y, _WIDTH - _RIGHT, y))
        parts.append(text(_LEFT - 6, y + 4, number(value), anchor="end"))
    storages = list(dict.fromkeys(name.partition(",")[0] for name, _ in lines))
    for row, (name, points) in enumerate(lines):
        storage, _, beside = name.partition(",")
        style = f'stroke="{_COLOURS[storages.index(storage) % len(_COLOURS)]}" fill="none" stroke-width="2"'
        style += f' stroke-dasharray="{_DASHES[("", " 1 M scheduled", " 1 M finished").index(beside)]}"'
        path = " ".join(f"{across.place(x):.1f},{up.place(y):.1f}" for x, y in points)
        y, x = _TOP + 8 + row * 18, _WIDTH - _RIGHT + 12
        parts.append(f'<polyline {style} points="{path}"/>')
        parts.append(f'<polyline {style} points="{x},{y} {x + 28},{y}"/>{text(x + 34, y + 4, name)}')
    return "\n".join([*parts, "</svg>", ""])


class Axis:
    """A logarithmic one, from a power of ten to a power of ten."""

    def __init__(self, values: Sequence[float], begin: float, end: float) -> None:
        self._low = math.floor(math.log10(min(values)) + 1e-9)
        self._high = max(self._low + 1, math.ceil(math.log10(max(values)) - 1e-9))
        self._begin, self._end = begin, end

    @property
    def ticks(self) -> Sequence[float]:
        """The powers of ten."""
        return [10.0**power for power in range(self._low, self._high + 1)]

    def place(self, value: float) -> float:
        """Where a value stands."""
        share = (math.log10(value) - self._low) / (self._high - self._low)
        return self._begin + share * (self._end - self._begin)


def text(x: float, y: float, words: str, *, anchor: str = "start", size: int = 12) -> str:
    """Words at a place."""
    return f'<text x="{x:g}" y="{y:g}" text-anchor="{anchor}" font-size="{size}" fill="#222222">{escape(words)}</text>'


def rule(x: float, y: float, to_x: float, to_y: float) -> str:
    """A thin line of the grid."""
    return f'<line x1="{x:.1f}" y1="{y:.1f}" x2="{to_x:.1f}" y2="{to_y:.1f}" stroke="#dddddd"/>'


def number(value: float) -> str:
    """As on an axis."""
    return f"{value:,.0f}" if value >= 1 else f"{value:g}"


def told(path: Path = WRITTEN) -> str:
    """The pictures as Markdown, and on what they were measured."""
    pictures = drawn(path)
    if not pictures:
        return "*Nothing has been measured yet: `python -m bench.growth` does.*"
    data = json.loads(path.read_text(encoding="utf-8"))
    where = ", ".join(
        f"{name} {data['machine'][name]}" for name in ("commit", "processor", "cores", "python", "sqlite")
    )
    share = "" if data["share"] == 1 else f" Only a share of {data['share']:g} of the jobs: a trial."
    shown = [f"![{PLOTS[name.removesuffix('.svg')].title}](plots/{name})" for name in pictures]
    return "\n\n".join([f"Measured {data['date']}: {where}.{share}", *shown])
