"""The whole way of a note, on both databases: the real application, the worker's own process, a simulated platform."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select

from codeserve.errors import InvalidNote
from codeserve.storage.tables import AuditRow, Document, Event, Rollout, Watermark, WorklistItem
from tests.intake.scene import NOTE, TENANT, Scene, scene


@pytest.fixture
def stage(tmp_path: Path, database_url: str, keys_file: Path) -> Iterator[Scene]:
    with scene(tmp_path, database_url, keys_file) as opened:
        yield opened


def test_a_signed_note_becomes_a_draft_charge_and_an_item(stage: Scene) -> None:
    """And however often it is told of, once; its amendment becomes a version of its own in its place."""
    document_id = stage.simulator.sign(NOTE)
    assert [stage.announce(document_id) for _ in range(3)] == [202] * 3
    assert stage.count(Event) == 1
    with stage.worker() as process:
        stage.wait(stage.settled, process)
        assert stage.states() == ["done"]
        assert stage.figures() == dict.fromkeys(stage.figures(), 1)
        amended = stage.simulator.amend(document_id, f"{NOTE.text} No chest pain on exertion.")
        assert stage.announce(amended) == 202
        stage.wait(lambda: stage.states() == ["done"] * 2, process)
    assert stage.figures() == dict.fromkeys(stage.figures(), 2)
    assert stage.states(WorklistItem) == ["superseded", "open"]
    with stage.database.read() as session:
        first, second = session.scalars(select(Document).order_by(Document.id))
        assert second.previous_id == first.id
        reasons = session.scalars(select(WorklistItem.reasons).where(WorklistItem.state == "open")).one()
        assert any("amended" in reason for reason in reasons)


def test_a_dead_event_is_replayed(stage: Scene) -> None:
    """What the platform does not have is not asked for again and again; once it is there a replay does it."""
    document_id = stage.simulator.sign(NOTE)
    kept = stage.simulator.kept["DocumentReference"]  # type: ignore[attr-defined]
    hidden = kept.pop(document_id)
    assert stage.announce(document_id) == 202
    with stage.worker() as process:
        stage.wait(stage.settled, process)
        event_id, why = stage.event()
        assert why == "fetch: platform-not-there"
        assert event_id in stage.command("intake", "dead")
        kept[document_id] = hidden
        stage.command("intake", "replay", event_id)
        stage.wait(lambda: stage.states() == ["done"], process)
    assert stage.figures() == dict.fromkeys(stage.figures(), 1)
    assert stage.trail()[:3] == ["EVENT_RECEIVED", "EVENT_DEAD", "EVENT_REPLAYED"]


def test_in_shadow_mode_nothing_is_written_and_nobody_sees_it(stage: Scene) -> None:
    with stage.database.write() as session:
        row = Rollout(tenant=TENANT, specialty="", mode="shadow", threshold=0.95, families=[], figures={})
        row.maximum_a_day = 0
        session.add(row)
    assert stage.announce(stage.simulator.sign(NOTE)) == 202
    with stage.worker() as process:
        stage.wait(stage.settled, process)
    assert stage.states(WorklistItem) == ["shadow"]
    assert (stage.references(), stage.simulator.tasks()) == ([], [])


def test_a_pull_finds_what_no_webhook_told(tmp_path: Path, database_url: str, keys_file: Path) -> None:
    with scene(tmp_path, database_url, keys_file, schedule="* * * * * *") as stage:
        for _ in range(3):
            stage.simulator.sign(NOTE)
        with stage.worker() as process:
            stage.wait(lambda: stage.states() == ["done"] * 3, process)
            stage.simulator.sign(NOTE)
            stage.wait(lambda: stage.states() == ["done"] * 4, process)
        assert stage.figures() == dict.fromkeys(stage.figures(), 4)
        assert stage.count(Watermark) == 1


def test_a_batch_is_coded_line_by_line(stage: Scene) -> None:
    good = {"document_id": "d1", "text": NOTE.text}
    made = stage.ask("POST", "/v1/jobs", json={"requests": [good] * 9 + [{**good, "model_version": "unknown"}]})
    assert made.status_code == 202
    path = f"/v1/jobs/{made.json()['job_id']}"
    with stage.worker("job:answered") as process:
        process.wait(timeout=120)  # killed in the middle
    with stage.worker() as process:
        stage.wait(lambda: stage.ask("GET", path).json()["state"] == "done", process)
    told = stage.ask("GET", path).json()
    assert (told["total"], told["done"], told["failed"]) == (10, 9, 1)
    first = stage.ask("GET", f"{path}/results?limit=6").json()
    rest = stage.ask("GET", f"{path}/results?limit=6&cursor={first['next_cursor']}").json()
    results = first["results"] + rest["results"]
    assert [one["line"] for one in results] == list(range(1, 11))
    assert rest["next_cursor"] is None
    assert results[0]["response"]["diagnosis_codes"][0]["code"] == "R07.9"
    assert (results[9]["problem"]["status"], results[9]["response"]) == (422, None)
    assert stage.ask("POST", f"{path}/cancel").status_code == 409


def test_a_cancelled_batch_is_not_coded(stage: Scene) -> None:
    made = stage.ask("POST", "/v1/jobs", json={"requests": [{"document_id": "d1", "text": NOTE.text}]}).json()
    path = f"/v1/jobs/{made['job_id']}"
    assert stage.ask("POST", f"{path}/cancel").json()["state"] == "cancelled"
    assert stage.ask("GET", f"{path}/results").json()["results"][0]["state"] == "cancelled"
    assert stage.trail() == ["JOB_CREATED", "JOB_CANCELLED", "VIEWED"]


def test_a_delivery_that_proves_nothing_is_not_stored(stage: Scene) -> None:
    document_id = stage.simulator.sign(NOTE)
    told = stage.simulator.delivery(document_id)
    for headers, body in (
        ({**told.headers, "Authorization": "Bearer wrong"}, told.body),
        (told.headers, told.body.replace(b"202", b"201", 1)),
    ):
        answer = stage.ask("POST", "/v1/webhooks/clinic", headers=dict(headers), content=body)
        assert answer.status_code == 401
    assert stage.ask("POST", "/v1/webhooks/elsewhere", content=told.body).status_code == 404
    assert stage.count(Event) == stage.count(AuditRow) == 0


def test_a_worker_stops_when_it_is_told_to(stage: Scene) -> None:
    """And on SQLite it is the only one."""
    with stage.worker() as process:
        stage.wait(lambda: "worker runs" in stage.log(), process)
        if stage.database.is_sqlite:
            with stage.worker() as second:
                assert second.wait(timeout=120) == 1
            assert "another worker" in stage.log()
        process.terminate()
        assert process.wait(timeout=120) == 0


def test_no_word_of_the_note_and_no_name_lies_in_clear(tmp_path: Path, migrated: Path, keys_file: Path) -> None:
    """In our file, in the workflow's own and in the worker's log, also where a step fails."""
    shutil.copy(migrated, tmp_path / "test.db")
    with scene(tmp_path, f"sqlite:///{tmp_path / 'test.db'}", keys_file) as stage:
        stage.coder.fail = InvalidNote("Marla Quillfeather has chest pain", field="text")
        for _ in range(2):
            assert stage.announce(stage.simulator.sign(NOTE)) == 202
            with stage.worker() as process:
                stage.wait(stage.settled, process)
            stage.coder.fail = None
        assert stage.states() == ["dead", "done"]
    files = [path for path in tmp_path.iterdir() if path.is_file() and not path.name.endswith(".yaml")]
    assert {"test.db", "test.db.workflows", "worker.log"} <= {path.name for path in files}
    for path in files:
        kept = path.read_bytes()
        assert [word for word in (b"Quillfeather", b"MRN-7714502", b"chest pain") if word in kept] == [], path.name
