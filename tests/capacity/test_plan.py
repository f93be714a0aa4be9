from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from codeserve.capacity.plan import Level, Profile, Wish, plan
from codeserve.cli import app
from codeserve.errors import SetupError

PROFILE = Profile(
    name="one",
    closed_loop=(Level(notes=1, notes_per_s=1.0), Level(notes=4, notes_per_s=2.0)),
    works=(1.0,),
    cores=2,
    gpus=1,
    memory_gib=8,
    measured="by hand",
)


def test_the_fewest_chains_that_meet_the_wish() -> None:
    wish = Wish(notes_per_day=24_000, p99_s=20, busiest_hour=0.15, spare=1, price=0.5)
    found = plan(wish, PROFILE)
    assert wish.rate == 1.0
    assert found.replicas == 2
    assert found.p99_s <= 20
    assert (found.cores, found.gpus, found.memory_gib, found.cost_a_month) == (4, 2, 16, 730)
    assert found.cost_a_note == pytest.approx(0.5 * 2 * 24 / 24_000)


def test_a_harder_wish_never_needs_fewer() -> None:
    needed = [plan(Wish(100_000, p99), PROFILE).replicas for p99 in (30, 10, 5, 3)]
    assert needed == sorted(needed)
    needed = [plan(Wish(notes, 10), PROFILE).replicas for notes in (10_000, 50_000, 200_000)]
    assert needed == sorted(needed)
    assert needed[0] < needed[-1]


def test_a_wish_that_an_idle_chain_cannot_meet_is_refused() -> None:
    with pytest.raises(SetupError, match="idle"):
        plan(Wish(1_000, p99_s=0.5), PROFILE)


@pytest.mark.parametrize("change", [{"closed_loop": []}, {"works": [0]}, {"cores": "many"}, {"measured": None}])
def test_a_wrong_profile_is_a_clear_error(tmp_path: Path, change: dict[str, object]) -> None:
    good = {
        "name": "x",
        "measured": "y",
        "closed_loop": [{"notes": 1, "notes_per_s": 2}],
        "works": [1],
        "cores": 2,
        "gpus": 0,
        "memory_gib": 8,
    }
    path = tmp_path / "profile.json"
    path.write_text(json.dumps(good))
    assert Profile.load(path).curve.at(1) == 2
    changed = {key: value for key, value in {**good, **change}.items() if value is not None}
    path.write_text(json.dumps(changed))
    with pytest.raises(SetupError, match="form"):
        Profile.load(path)
    with pytest.raises(SetupError, match="read"):
        Profile.load(tmp_path / "none.json")


def test_the_command_shows_replicas_and_what_is_assumed() -> None:
    shown = CliRunner().invoke(app, ["capacity", "--notes-per-day", "5000", "--p99", "10"])
    assert shown.exit_code == 0
    assert "chains" in shown.stdout
    assert "Assumed" in shown.stdout


def test_the_shipped_profile_says_where_it_comes_from() -> None:
    shipped = Profile.load()
    assert "python -m benchmarks" in shipped.measured
    assert shipped.curve.most > 0
