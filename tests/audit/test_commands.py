from __future__ import annotations

import csv
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from codeserve.audit.chain import Entry, canonical, digest
from codeserve.audit.export import Filter, export
from codeserve.audit.trail import append
from codeserve.audit.verify import verify
from codeserve.storage.engine import Database
from codeserve.storage.tables import AuditRow
from tests.audit.examples import record
from tests.audit.test_trail import tamper, write
from tests.command_line import run, stored_config

DAY = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def config(tmp_path: Path, database_url: str, keys_file: Path) -> Path:
    return stored_config(tmp_path, database_url, keys_file)


def three_days(database: Database) -> None:
    with database.write() as session:
        for day, (action, actor, encounter) in enumerate(
            (("ACCEPTED", "ann", "e1"), ("EDITED", "ben", "e1"), ("REJECTED", "ann", "e2"))
        ):
            one = record(action, actor=actor, encounter_id=encounter)
            append(session, database.keys, one, DAY + timedelta(days=day))


def lines(database: Database, chosen: Filter) -> list[dict[str, object]]:
    return [json.loads(line) for line in export(database, "north", chosen, "jsonl", "carol")]


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        (Filter(), [1, 2, 3]),
        (Filter(encounter_id="e1"), [1, 2]),
        (Filter(actor="ann"), [1, 3]),
        (Filter(start=DAY + timedelta(days=1)), [2, 3]),
        (Filter(end=DAY + timedelta(days=1)), [1]),
        (Filter(encounter_id="e1", actor="ann", start=DAY), [1]),
        (Filter(encounter_id="e9"), []),
    ],
)
def test_an_export_takes_what_was_asked_for(database: Database, chosen: Filter, expected: list[int]) -> None:
    three_days(database)
    write(database, 1, "south")
    assert [line["seq"] for line in lines(database, chosen)] == expected


def test_an_export_is_recorded_with_what_was_asked_for(database: Database) -> None:
    three_days(database)
    lines(database, Filter(encounter_id="e1", actor="ann"))
    with database.read() as session:
        last = session.scalars(select(AuditRow).order_by(AuditRow.seq.desc())).first()
        assert last is not None
        assert (last.action, last.actor, last.encounter_id) == ("EXPORTED", "carol", "e1")
        assert json.loads(last.details) == {"count": 1, "filters": {"actor": "ann"}, "format": "jsonl"}
        assert verify(session, database.keys, "north").faults == ()


def test_whoever_has_an_export_can_check_its_records(database: Database) -> None:
    three_days(database)
    for line in lines(database, Filter()):
        stored = {**line, "at": datetime.fromisoformat(str(line["at"]))}
        stored.update({name: canonical(line[name]) for name in ("versions", "details")})
        assert digest(Entry(**{name: stored[name] for name in Entry.__slots__})) == line["hash"]


def test_a_spreadsheet_gets_no_formula(database: Database) -> None:
    with database.write() as session:
        append(session, database.keys, record("VIEWED", actor="=HYPERLINK(1)"))
    table = list(csv.DictReader(line.decode() for line in export(database, "north", Filter(), "csv", "carol")))
    assert [row["actor"] for row in table] == ["'=HYPERLINK(1)"]


def test_the_commands_export_and_verify(config: Path, database: Database, tmp_path: Path) -> None:
    three_days(database)
    target = tmp_path / "out.csv"
    told = run("audit", "export", target, "--tenant", "north", "--format", "csv", "--from", "2026-03-02", "-c", config)
    assert told.exit_code == 0, told.stderr
    assert "2 records" in told.stdout
    assert target.stat().st_mode & 0o777 == 0o600
    assert [row["action"] for row in csv.DictReader(target.open())] == ["EDITED", "REJECTED"]
    sound = run("audit", "verify", "-c", config)
    assert (sound.exit_code, "north: 4 records, holds" in sound.stdout) == (0, True)
    tamper(database, "UPDATE audit SET actor = 'x' WHERE seq = 2")
    broken = run("audit", "verify", "-c", config)
    assert broken.exit_code == 1
    assert "record 2 was changed" in broken.stdout


def test_an_old_state_that_was_put_back_whole_is_found_by_the_anchor(
    config: Path, database: Database, tmp_path: Path
) -> None:
    anchor = tmp_path / "anchor.jsonl"
    write(database, 3)
    with database.read() as session:
        head = session.connection().exec_driver_sql("SELECT count, hash, mac FROM audit_heads").one()
    write(database, 2)
    assert "Anchored" in run("audit", "verify", "--anchor", anchor, "-c", config).stdout
    assert json.loads(anchor.read_text())["count"] == 5
    tamper(
        database,
        "DELETE FROM audit WHERE seq > 3",
        f"UPDATE audit_heads SET count = {head[0]}, hash = '{head[1]}', mac = '{head[2]}'",
    )
    assert run("audit", "verify", "-c", config).exit_code == 0, "the old state holds in itself"
    found = run("audit", "verify", "--anchor", anchor, "-c", config)
    assert found.exit_code == 1
    assert "record 5 was removed: the anchor saw it" in found.stdout
    assert json.loads(anchor.read_text())["count"] == 5
    write(database, 3)
    again = run("audit", "verify", "--anchor", anchor, "-c", config)
    assert (again.exit_code, "record 5 is not the one that the anchor saw" in again.stdout) == (1, True)


def test_the_anchor_finds_a_whole_trail_that_is_gone(config: Path, database: Database, tmp_path: Path) -> None:
    anchor = tmp_path / "anchor.jsonl"
    write(database, 2)
    run("audit", "verify", "--anchor", anchor, "-c", config)
    tamper(database, "DELETE FROM audit", "DELETE FROM audit_heads")
    assert "There is no record yet" in run("audit", "verify", "-c", config).stdout
    found = run("audit", "verify", "--anchor", anchor, "-c", config)
    assert (found.exit_code, "record 2 was removed" in found.stdout) == (1, True)
