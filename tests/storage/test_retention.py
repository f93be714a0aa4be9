from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import func, select

from codeserve.config import RetentionSettings
from codeserve.storage import retention
from codeserve.storage.engine import Database
from codeserve.storage.retention import NOTES, RULES, cached_note, due, expiry, purge
from codeserve.storage.tables import Base, Charge, Document, Event, Job, JobLine, Suggestion, WorklistItem
from tests.storage.rows import AT, NOTE, document, fill, item, suggestion

NEVER = RetentionSettings(**{rule.name: None for rule in RULES})
DAY = timedelta(days=1)


def rows(database: Database) -> dict[str, int]:
    with database.read() as session:
        return {t.name: session.scalar(select(func.count()).select_from(t)) or 0 for t in Base.metadata.sorted_tables}


def settle(database: Database) -> None:
    """As if everything that `fill` made was finished."""
    with database.write() as session:
        session.scalars(select(Charge)).one().state = "posted"
        session.flush()
        session.scalars(select(Charge)).one().updated_at = AT
        for found in session.scalars(select(Event)):
            found.state, found.settled_at = "done", AT
        for waiting in session.scalars(select(WorklistItem)):
            waiting.state, waiting.settled_at = "final", AT
        for job in session.scalars(select(Job)):
            job.state, job.finished_at = "done", AT


def test_every_period_of_the_settings_has_a_rule() -> None:
    assert {rule.name for rule in RULES} == set(RetentionSettings.model_fields)
    assert all(rule.clock in rule.table.c for rule in RULES)
    assert "audit" not in RetentionSettings.model_fields


def test_a_note_is_not_read_after_its_time_and_the_purge_removes_it(database: Database) -> None:
    row = document(database.keys)
    row.expires_at = expiry(72, AT)
    with database.write() as session:
        session.add(row)
    assert cached_note(database.keys, row, AT + 3 * DAY - timedelta(microseconds=1)) == NOTE
    assert cached_note(database.keys, row, AT + 3 * DAY) is None
    assert purge(database, NEVER, AT + 3 * DAY - timedelta(microseconds=1), "ops") == {}
    assert purge(database, NEVER, AT + 3 * DAY, "ops") == {"north": {NOTES: 1}}
    with database.read() as session:
        kept = session.scalars(select(Document)).one()
        assert (kept.note, kept.note_sha256) == (None, "0" * 64)
        assert kept.encounter is not None


def test_only_what_is_settled_and_old_goes(database: Database) -> None:
    with database.write() as session:
        fill(session, database.keys)
    kept = RetentionSettings(events=30, jobs=30, worklist_items=30, charges=30)
    late = AT + 31 * DAY
    assert purge(database, kept, late, "ops") == {"north": {NOTES: 2}}, "nothing is settled"
    settle(database)
    with database.read() as session:
        told = due(session, kept, AT + 29 * DAY)
        assert told == {}
        assert set(due(session, kept, late)["north"]) == {"charges", "events", "jobs", "worklist_items"}
    before = rows(database)
    assert purge(database, kept, late, "ops") == {"north": {"charges": 1, "events": 1, "jobs": 1}}
    after = rows(database)
    gone = {name for name in before if before[name] != after[name]}
    assert gone == {"charges", "events", "jobs", "job_lines", "audit"}, "decisions keep their item"


def test_in_the_end_all_goes_but_the_trail_and_what_steers(database: Database) -> None:
    with database.write() as session:
        fill(session, database.keys)
    settle(database)
    removed = purge(database, RetentionSettings(), AT + 2191 * DAY, "ops")
    assert removed == {"north": {NOTES: 2, **{rule.name: 1 for rule in RULES}, "documents": 2}}
    left = {name for name, number in rows(database).items() if number}
    assert left == {"audit", "audit_heads", "nodes", "rollout", "watermarks"}


def test_a_failed_event_and_an_open_item_stay_for_ever(database: Database) -> None:
    first = document(database.keys)
    made = suggestion(database.keys, first)
    dead = Event(tenant="north", platform="fhir", external_id="x", kind="k", state="dead", settled_at=AT)
    with database.write() as session:
        for rows_ in ([first, dead], [made], [item(made)]):
            session.add_all(rows_)
            session.flush()
    purge(database, RetentionSettings(), AT + 9999 * DAY, "ops")
    left = rows(database)
    assert [left[name] for name in ("events", "documents", "suggestions", "worklist_items")] == [1, 1, 1, 1]


def test_batches_and_tenants_are_counted(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "BATCH", 3)
    jobs = [
        Job(tenant=tenant, created_by="p", finished_at=AT, state="done")
        for tenant in ("north", "south")
        for _ in "1234"
    ]
    with database.write() as session:
        session.add_all(jobs)
        session.flush()
        session.add_all(JobLine(tenant=job.tenant, job_id=job.id, line=n) for job in jobs for n in range(2))
    assert purge(database, RetentionSettings(), AT + 40 * DAY, "ops") == {"north": {"jobs": 4}, "south": {"jobs": 4}}
    assert rows(database)["job_lines"] == 0
    with database.read() as session:
        assert session.scalars(select(Suggestion)).all() == []
