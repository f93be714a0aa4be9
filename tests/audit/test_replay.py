from __future__ import annotations

import copy
import hashlib
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import select
from typer.testing import Result

from codeserve.api.schemas import ExtractRequest
from codeserve.audit import commands
from codeserve.audit.comparison import compare
from codeserve.audit.verify import verify
from codeserve.client import Client
from codeserve.errors import CodeserveError
from codeserve.storage.engine import Database
from codeserve.storage.sealing import seal, seal_json
from codeserve.storage.tables import AuditRow, Document, Suggestion, now
from tests import command_line
from tests.api.fakes import answer, make_app
from tests.command_line import stored_config

NOTE = "Seen for chest pain, ECG done."
ASKED = {"document_id": "d-1", "encounter": {"setting": "office"}}
ANSWER: dict[str, Any] = answer(ExtractRequest.model_validate({**ASKED, "text": NOTE})).model_dump(mode="json")


def changed(change: Callable[[dict[str, Any]], Any]) -> dict[str, Any]:
    other = copy.deepcopy(ANSWER)
    change(other)
    return other


def test_the_same_answer_is_the_same() -> None:
    found = compare(ANSWER, copy.deepcopy(ANSWER))
    assert (found.verdict, found.told) == ("same", ())


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda a: a["diagnosis_codes"].clear(), "diagnosis R07.9 is not suggested any more"),
        (lambda a: a["procedure_codes"].append(a["procedure_codes"][0]), "procedure 93000 is suggested now"),
        (lambda a: a["diagnosis_codes"][0].update(confidence=0.5), "diagnosis R07.9: confidence was 0.87, is 0.5"),
        (lambda a: a["diagnosis_codes"][0]["evidence"][0].update(start=1), "diagnosis R07.9: evidence was"),
        (lambda a: a["procedure_codes"][0].update(modifiers=["26"]), "procedure 93000: modifiers was none, is 26"),
        (lambda a: a["em"].update(code="99214"), "visit 99214 is suggested now"),
        (lambda a: a.update(em=None), "visit 99213 is not suggested any more"),
        (lambda a: a["em"].update(level="high"), "visit 99213: level was low, is high"),
        (lambda a: a["route"].update(decision="worklist"), "route was review, is worklist"),
        (lambda a: a["findings"].clear(), "findings gone: unspecified-code R07.9; new: none"),
        (lambda a: a.update(note_sha256="0" * 64), "the note is another one"),
    ],
)
def test_each_difference_is_told_and_needs_an_explanation(change: Callable[[dict[str, Any]], Any], told: str) -> None:
    found = compare(ANSWER, changed(change))
    assert found.verdict == "unexplained"
    assert any(line.startswith(told) for line in found.told), found.told
    assert "chest" not in repr(found)

    def with_version(one: dict[str, Any]) -> None:
        change(one)
        one["model"]["versions"]["tagger"] = "2"

    explained = compare(ANSWER, changed(with_version))
    assert explained.verdict == "explained"
    assert explained.told == ("tagger was 1, is 2", *found.told)


def test_another_version_with_the_same_answer_is_the_same_and_told() -> None:
    found = compare(ANSWER, changed(lambda a: a["model"]["versions"].update(rules="7")))
    assert (found.verdict, found.told) == ("same", ("rules was none, is 7",))


def test_rationale_and_wording_are_no_difference() -> None:
    assert compare(ANSWER, changed(lambda a: a["diagnosis_codes"][0].update(rationale="other"))).verdict == "same"


@pytest.fixture
def suggestion(database: Database) -> Suggestion:
    return keep(database, ANSWER)


def keep(database: Database, response: dict[str, Any]) -> Suggestion:
    document = Document(tenant="north", platform="fhir", external_id="d-1", version="1")
    document.note_sha256 = hashlib.sha256(NOTE.encode()).hexdigest()
    document.expires_at = now() + timedelta(hours=1)
    seal(database.keys, document, "note", NOTE)
    made = Suggestion(tenant="north", document_id=document.id, versions={}, mode="assisted", route="review")
    seal_json(database.keys, made, "request", ASKED)
    seal_json(database.keys, made, "response", response)
    with database.write() as session:
        session.add(document)
        session.flush()
        session.add(made)
    return made


@pytest.fixture
def replay(
    tmp_path: Path, database_url: str, keys_file: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Result]:
    """The command, against the real application over a service that always answers the same."""
    config = stored_config(tmp_path, database_url, keys_file)
    transport = httpx.ASGITransport(app=make_app())
    monkeypatch.setattr(commands, "Client", lambda url, key: Client(url, key, transport=transport))

    def run(suggestion: str, *more: object) -> Result:
        return command_line.run("audit", "replay", suggestion, "--tenant", "north", "-c", config, *more)

    return run


def test_a_replay_gives_the_same_and_is_recorded(
    database: Database, suggestion: Suggestion, replay: Callable[..., Result]
) -> None:
    told = replay(suggestion.id)
    assert (told.exit_code, told.stdout.strip()) == (0, "same"), told.exception
    with database.read() as session:
        row = session.scalars(select(AuditRow)).one()
        assert (row.action, row.suggestion_id, row.details) == (
            "REPLAYED",
            suggestion.id,
            '{"reasons":[],"same":true}',
        )
        assert verify(session, database.keys, "north").faults == ()


def test_an_answer_that_nothing_explains_fails_and_one_of_other_versions_does_not(
    database: Database, replay: Callable[..., Result]
) -> None:
    other = keep(database, changed(lambda a: a["diagnosis_codes"][0].update(confidence=0.5)))
    told = replay(other.id)
    assert told.exit_code == 1
    assert "unexplained" in told.stdout
    assert "confidence was 0.5, is 0.87" in told.stdout


def refusal(result: Result) -> str:
    assert isinstance(result.exception, CodeserveError)
    return result.exception.detail


def test_after_its_time_the_note_is_brought_along_and_must_be_the_one(
    database: Database, suggestion: Suggestion, replay: Callable[..., Result], tmp_path: Path
) -> None:
    with database.write() as session:
        session.scalars(select(Document)).one().expires_at = now() - timedelta(seconds=1)
    assert "not kept any more" in refusal(replay(suggestion.id))
    note = tmp_path / "note.txt"
    note.write_text(NOTE + " ")
    assert "another one" in refusal(replay(suggestion.id, "--note", note))
    note.write_text(NOTE)
    assert replay(suggestion.id, "--note", note).stdout.strip() == "same"


def test_another_practice_finds_no_such_suggestion(suggestion: Suggestion, replay: Callable[..., Result]) -> None:
    assert "no such suggestion" in refusal(replay(suggestion.id, "--tenant", "south"))
