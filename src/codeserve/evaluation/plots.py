"""The report's pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

BLUE, GREY, ORANGE = "#2b6cb0", "#718096", "#c05621"


def draw(folder: Path, summary: dict[str, Any]) -> dict[str, str]:
    """Writes PNG files; gives their names by what they show."""
    import matplotlib

    matplotlib.use("Agg")
    shown = {"fates.png": _fates, "groups.png": _scores}
    if summary["calibration"]:
        shown |= {"reliability.png": _reliability, "coverage.png": _coverage}
    if summary["ablations"]:
        shown["ablations.png"] = _ablations
    for name, plot in shown.items():
        _save(folder / name, plot, summary)
    return {name.removesuffix(".png"): name for name in shown}


def _save(path: Path, plot: Any, summary: dict[str, Any]) -> None:
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(6.4, 4.2), dpi=120)
    plot(axes, summary)
    axes.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    figure.savefig(path, metadata={"Software": None})
    pyplot.close(figure)


def _reliability(axes: Any, summary: dict[str, Any]) -> None:
    bins = summary["calibration"]["bins"]
    axes.plot([0, 1], [0, 1], color=GREY, linestyle="--", linewidth=1, label="perfect")
    axes.plot([b["confidence"] for b in bins], [b["right"] for b in bins], "o-", color=BLUE, label="codeserve")
    for b in bins:
        axes.annotate(
            f"n={b['count']}", (b["confidence"], b["right"]), (4, -12), textcoords="offset points", fontsize=8
        )
    axes.set(xlabel="confidence", ylabel="share that is right", xlim=(0, 1), ylim=(0, 1.02))
    axes.set_title(f"Reliability: calibration error {summary['calibration']['ece']:.3f}")
    axes.legend(frameon=False)


def _coverage(axes: Any, summary: dict[str, Any]) -> None:
    curve = summary["calibration"]["curve"]
    coverage = [p["coverage"] for p in curve]
    axes.plot(coverage, [p["precision"] for p in curve], color=BLUE, label="precision")
    axes.fill_between(coverage, [p["low"] for p in curve], [p["precision"] for p in curve], color=BLUE, alpha=0.15)
    axes.axhline(0.95, color=ORANGE, linestyle="--", linewidth=1, label="0.95")
    axes.set(xlabel="coverage: share of suggestions, surest first", ylabel="precision", xlim=(0, 1), ylim=(0, 1.02))
    axes.set_title("Precision over coverage, with its lower 95 % bound")
    axes.legend(frameon=False, loc="lower left")


def _bars(axes: Any, names: list[str], values: list[float], errors: Any = None, colour: str = BLUE) -> None:
    axes.barh(names[::-1], values[::-1], xerr=errors, color=colour, ecolor=GREY, capsize=3)


def _fates(axes: Any, summary: dict[str, Any]) -> None:
    fates = summary["fates"]
    _bars(axes, list(fates), list(fates.values()))
    axes.set(xlabel="gold codes")
    axes.set_title("What became of the gold codes")


def _scores(axes: Any, summary: dict[str, Any]) -> None:
    rows = {name: row for name, row in summary["diagnoses"].items() if row["gold"]}
    rows |= {name: row["exact"] for name, row in summary["groups"].items()}
    values = [row["f1"] for row in rows.values()]
    low = [row["f1"] - row["low"] for row in rows.values()][::-1]
    high = [row["high"] - row["f1"] for row in rows.values()][::-1]
    _bars(
        axes, [name.replace("_", " ") for name in rows], values, [[max(0, v) for v in low], [max(0, v) for v in high]]
    )
    axes.set(xlabel="micro-F1 with its 95 % interval", xlim=(0, 1))


def _ablations(axes: Any, summary: dict[str, Any]) -> None:
    rows = summary["ablations"]
    values = [row["change"] for row in rows.values()]
    low = [row["change"] - row["low"] for row in rows.values()][::-1]
    high = [row["high"] - row["change"] for row in rows.values()][::-1]
    _bars(axes, list(rows), values, [[max(0, v) for v in low], [max(0, v) for v in high]], ORANGE)
    axes.axvline(0, color=GREY, linewidth=1)
    axes.set(xlabel="change of exact micro-F1, 95 % interval (paired over notes)")
    axes.set_title("What each part is worth")
