from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from codeserve.errors import SetupError
from codeserve.rollout.bars import STEPS, check_fallback, check_step, load_bars, make_bars
from codeserve.rollout.figures import NAMES
from codeserve.rollout.intervals import Figure

BARS = load_bars()
ROW = {"step": "automated", "figure": "exact", "relation": "at least", "bar": "0.9", "cases": "10", "why": "so"}
OTHERS = [{**ROW, "step": "assisted"}, {**ROW, "step": "fallback", "bar": "0.8"}]


def test_the_shipped_bars() -> None:
    assert {bar.figure for bar in BARS["automated"]} == {bar.figure for bar in BARS["fallback"]} == set(NAMES)
    for bar in BARS["automated"]:
        low = next(b for b in BARS["fallback"] if b.figure == bar.figure)
        assert abs(bar.value - low.value) > 0.02
        easier = [b.value for b in BARS["assisted"] if b.figure == bar.figure]
        assert all(bar.value > value if bar.relation == "at least" else bar.value < value for value in easier)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"step": "up"}, "cannot be"),
        ({"figure": "luck"}, "cannot be"),
        ({"relation": "about"}, "cannot be"),
        ({"bar": "0.7"}, "further out"),
        ({"bar": "0.8"}, "further out"),
        ({"relation": "at most"}, "further out"),
    ],
)
def test_bars_that_cannot_be(change: dict[str, Any], told: str) -> None:
    assert make_bars([ROW, *OTHERS])
    with pytest.raises(SetupError, match=told):
        make_bars([{**ROW, **change}, *OTHERS])


def test_a_bar_twice_and_a_step_without_bars() -> None:
    with pytest.raises(SetupError, match="twice"):
        make_bars([ROW, ROW, *OTHERS])
    with pytest.raises(SetupError, match="no bars for assisted"):
        make_bars([ROW, OTHERS[1]])


def test_a_step_is_judged_by_the_careful_end_and_a_fallback_by_the_figure() -> None:
    exact = next(bar for bar in BARS["automated"] if bar.figure == "exact")
    overrides = next(bar for bar in BARS["automated"] if bar.figure == "overrides")
    figure = Figure(0.92, 0.88, 0.95, 500, 500)
    assert not check_step(exact, figure).holds
    assert "exact at least 0.9: 0.880 (measured 0.920, 500 notes)" in check_step(exact, figure).text
    assert check_fallback(exact, figure).holds
    assert not check_step(overrides, Figure(0.04, 0.02, 0.06, 900, 500)).holds
    assert check_step(overrides, Figure(0.03, 0.02, 0.04, 900, 500)).holds


def test_too_few_hold_nothing_up_and_bring_nothing_down() -> None:
    bar = BARS["automated"][0]
    few = Figure(1.0, 1.0, 1.0, 10, 10)
    assert not check_step(bar, few).holds
    assert "at least 300 are needed" in check_step(bar, few).text
    assert not check_step(bar, None).holds
    assert "nothing to measure" in check_step(bar, None).text
    low = BARS["fallback"][0]
    assert check_fallback(low, Figure(0.0, 0.0, 0.1, 10, 10)).holds
    assert check_fallback(low, None).holds


def test_the_page_has_the_bars() -> None:
    page = (Path(__file__).parents[2] / "docs" / "rollout.md").read_text()
    back = {"at least": "below", "at most": "above"}
    for figure in NAMES:
        row = next(line for line in page.splitlines() if line.startswith(f"| `{figure}` |") and "0." in line)
        cells = [cell.strip() for cell in row.split("|")[2:5]]
        bars = [next((bar for bar in BARS[step] if bar.figure == figure), None) for step in STEPS]
        words = [lambda bar: bar.relation, lambda bar: bar.relation, lambda bar: back[bar.relation]]
        assert cells == [f"{word(bar)} {bar.value:.2f}" if bar else "" for word, bar in zip(words, bars, strict=True)]
