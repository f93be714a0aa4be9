"""The play, over a coder that codes nothing real; the worker and the commands are the real ones."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest
import yaml
from rich.console import Console

from codeserve.api.app import create_app
from codeserve.api.stored import open_stored
from codeserve.config import load_settings
from codeserve.demo.command import process
from codeserve.demo.play import decisions_of, play
from codeserve.demo.stage import Stage, read_scenes, staged
from tests.api.fakes import FakeService
from tests.conftest import ROOT, free_port
from tests.intake.scene import serving
from tests.worklist.rows import response

EXAMPLES = ROOT / "examples"


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    scenes = tuple(replace(scene, text=f"chest pain, ECG done: {scene.note}") for scene in read_scenes(EXAMPLES))
    base, port = yaml.safe_load((ROOT / "serve_config.yaml").read_text()), free_port()
    with staged(tmp_path, scenes, base, port) as made:
        for name, value in {**made.environment, "CODESERVE_HOME": str(tmp_path / "home")}.items():
            monkeypatch.setenv(name, value)
        settings = load_settings(yaml.safe_load(made.config.read_text())["applications"][0]["args"])
        stored = open_stored(settings)
        assert stored is not None
        with serving(create_app(FakeService(), settings.gateway, stored=stored), port):
            yield made
        stored.database.close()


def test_it_is_played_to_the_end_and_the_trail_holds(stage: Stage, tmp_path: Path) -> None:
    page = StringIO()
    with process("worker", stage, tmp_path):
        holds = play(stage, Console(file=page, width=160))
    assert holds, page.getvalue()[-2000:]
    shown = page.getvalue()
    for words in (
        "northside, assisted mode: ankle injury",
        "Its webhook arrives: 202",
        "The platform holds one draft charge",
        "In the coders' queue with priority",
        "southside, shadow mode: diabetes followup",
        "No draft charge in the platform",
        "The coders' queue stays empty.",
        "What shadow mode counts",
        "AI_SUGGESTED",
        "FINAL_CODES",
        "northside: ",
        "holds",
    ):
        assert words in shown
    assert shown.index("coded") < shown.index("draft charge written back") < shown.index("no draft charge")
    assert "cs_" not in shown, "a key"
    assert os.environ["NORTHSIDE_SECRET"] not in shown


def test_a_coder_decides_by_what_is_submitted_in_the_end() -> None:
    final = {"diagnosis_codes": ["R07.9", "I10"], "procedures": [{"code": "93000"}]}
    decisions = decisions_of(response(), final, {})
    assert [(one["action"], one.get("code") or one["new_code"]) for one in decisions] == [
        ("accept", "R07.9"),
        ("accept", "93000"),
        ("reject", "99213"),
        ("override", "I10"),
    ]
