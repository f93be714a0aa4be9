from __future__ import annotations

import json
from pathlib import Path

import pytest

from codeserve.api.schemas import ExtractRequest
from codeserve.codesets import CodeSets
from codeserve.errors import InvalidNote
from codeserve.evaluation.gold import read

GOLD = Path(__file__).parents[2] / "evaluation" / "gold"


def written(path: Path, *rows: dict[str, object]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_a_note_becomes_a_request(tmp_path: Path) -> None:
    row = {
        "id": "N1",
        "text": "Sore throat.",
        "age": "34.0",
        "sex": " female ",
        "first": "Ada",
        "last": "Ost",
        "doctor": "",
    }
    notes = written(tmp_path / "n.jsonl", row, {"id": "N2", "text": "no gold"})
    [note] = read([notes], [written(tmp_path / "g.jsonl", {"id": "N1", "codes": ["J02.9"]})])
    request = ExtractRequest.model_validate_json(json.dumps(note.request))
    assert request.encounter.patient is not None
    assert (request.encounter.patient.age, request.encounter.patient.sex) == (34, "female")
    assert request.encounter.patient.identifiers == ["Ada Ost"]
    assert note.gold.services is None


@pytest.mark.parametrize("line", ["{", "[]", '{"text": "x"}'])
def test_a_bad_line_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "bad.jsonl"
    path.write_text(f'{{"id": "A", "codes": []}}\n{line}\n')
    with pytest.raises(InvalidNote, match=r"bad\.jsonl, line 2"):
        read([path], [path])


def test_notes_without_gold_are_refused(tmp_path: Path) -> None:
    notes = written(tmp_path / "n.jsonl", {"id": "N1", "text": "x"})
    with pytest.raises(InvalidNote, match="no note has gold"):
        read([notes], [written(tmp_path / "g.jsonl", {"id": "N2", "codes": []})])


@pytest.mark.parametrize("name", sorted(path.name.removesuffix("_notes.jsonl") for path in GOLD.glob("*_notes.jsonl")))
def test_our_own_gold_is_well_formed(name: str, codesets: CodeSets) -> None:
    notes = read([GOLD / f"{name}_notes.jsonl"], [GOLD / f"{name}_gold.jsonl"])
    assert len({note.id for note in notes}) == len(notes)
    for note in notes:
        ExtractRequest.model_validate_json(json.dumps(note.request))
        assert note.part in ("tune", "held")
        wrong = [code for code in (*note.gold.codes, *note.gold.status) if codesets.concepts.of(code) is None]
        assert not wrong, note.id
