"""SIGKILL of the worker at every place of every step, on both databases. After the last start everything is there once,
by our records and by the platform's own; nothing is lost and no charge was posted twice."""

from __future__ import annotations

import re
import signal
from collections import Counter
from pathlib import Path
from typing import Any

from codeserve.intake import steps, worker
from codeserve.storage.tables import AuditRow
from tests.intake.scene import NOTE, Scene, scene

# A crash in the middle of a hand-over, at each place of each step, and after the last step.
SOURCES = (worker, steps)
POINTS = sorted({p for s in SOURCES for p in re.findall(r'crash_point\("(\w+:\w+)"', Path(s.__file__).read_text())})


def test_the_points_are_those_of_every_step() -> None:
    assert {point.split(":")[0] for point in POINTS} == {
        "handover",
        "fetch",
        "code",
        "draft",
        "enlist",
        "tell",
        "settle",
    }
    assert len(POINTS) >= 18


def test_killed_at_every_place_nothing_is_lost_and_nothing_is_there_twice(
    tmp_path: Path, database_url: str, keys_file: Path
) -> None:
    """One note for each place. A start recovers the note before and is killed at the place of its own note."""
    with scene(tmp_path, database_url, keys_file) as stage:
        notes = {point: stage.simulator.sign(NOTE) for point in POINTS}
        for point, document_id in notes.items():
            assert stage.announce(document_id) == 202
            with stage.worker(f"{point}@{document_id}") as process:
                assert process.wait(timeout=120) == -signal.SIGKILL, f"not killed at {point}:\n{stage.log()[-2000:]}"
        with stage.worker() as process:
            stage.wait(stage.settled, process)
        assert stage.states() == ["done"] * len(POINTS)
        assert stage.figures() == dict.fromkeys(stage.figures(), len(POINTS))
        assert all(len(stage.simulator.drafts(reference)) == 1 for reference in stage.references())
        assert trail(stage) == Counter(
            EVENT_RECEIVED=len(POINTS), AI_SUGGESTED=len(POINTS), ROUTED=len(POINTS), DRAFT_POSTED=len(POINTS)
        )


def trail(stage: Scene) -> Counter[Any]:
    with stage.database.read() as session:
        return Counter(row.action for row in session.query(AuditRow))
