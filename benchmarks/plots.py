"""The pictures of the report: each takes figures and a file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot

SIZE = (7.0, 4.2)
Line = Sequence[tuple[float, float]]


def lines(file: Path, x: str, y: str, curves: dict[str, Line], dashed: Sequence[str] = (), log: bool = False) -> None:
    """One line a name; `dashed` are predictions."""
    figure, axes = pyplot.subplots(figsize=SIZE, layout="constrained")
    for name, points in curves.items():
        style = {"linestyle": "--", "marker": ""} if name in dashed else {"marker": "o"}
        axes.plot(*zip(*points, strict=True), label=name, **style)
    axes.set(xlabel=x, ylabel=y)
    axes.set_ylim(bottom=None if log else 0)
    if log:
        axes.set_xscale("log")
        axes.set_yscale("log")
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
    _save(figure, file)


def bars(file: Path, x: str, rows: dict[str, dict[str, float]]) -> None:
    """Stacked horizontal bars: of each row its parts."""
    figure, axes = pyplot.subplots(figsize=(7.0, 1.2 + 0.5 * len(rows)), layout="constrained")
    parts = list(dict.fromkeys(part for row in rows.values() for part in row))
    left = dict.fromkeys(rows, 0.0)
    colours = pyplot.get_cmap("tab20").colors  # type: ignore[attr-defined]
    for part, colour in zip(parts, colours, strict=False):
        widths = [row.get(part, 0.0) for row in rows.values()]
        axes.barh(list(rows), widths, left=list(left.values()), label=part, color=colour)
        left = {name: left[name] + width for name, width in zip(rows, widths, strict=True)}
    axes.invert_yaxis()
    axes.set_xlabel(x)
    axes.legend(frameon=False, ncols=4, fontsize=8, loc="lower center", bbox_to_anchor=(0.5, 1.0))
    _save(figure, file)


def _save(figure: object, file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(file, dpi=110, metadata={"Software": None})  # type: ignore[attr-defined]
    pyplot.close("all")
