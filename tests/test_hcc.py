from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from codeserve import hcc
from codeserve.api.schemas import Encounter
from codeserve.codesets import CodeSets
from codeserve.errors import InvalidNote
from codeserve.pipeline import Coded
from codeserve.rules.encounter import Encounter as Visit
from codeserve.rules.results import Route
from tests.rules.making import diagnosis, document


async def read(text: str, encounter: Encounter) -> Coded:
    found = (diagnosis("E11.9"),) if "diabetes" in text else ()
    return Coded(document(text), Visit(), (), found, (), None, (), Route("review", 0.95, ()))


def reviewed(codesets: CodeSets, **chart: Any) -> dict[str, Any]:
    return asyncio.run(hcc.review(json.dumps(chart).encode(), read, codesets.icd.description, 10_000))


def test_a_patient_is_put_together_from_notes_and_earlier_codes(codesets: CodeSets) -> None:
    notes = [
        {"document_id": "a", "text": "ASSESSMENT: diabetes."},
        {"document_id": "b", "text": "MEDICATIONS: carbidopa-levodopa."},
    ]
    line = reviewed(codesets, patient_id="p", prior_diagnoses=["I50.22"], notes=notes)
    kinds = {question["kind"]: question for question in line["questions"]}
    assert set(kinds) == {"recapture", "suspected"}
    assert kinds["recapture"]["codes"] == ("I50.22",)
    (evidence,) = kinds["suspected"]["evidence"]
    assert notes[1]["text"][evidence["start"] : evidence["end"]] == "carbidopa"
    assert line["priority"] == pytest.approx(sum(q["weight"] for q in line["questions"]))
    assert [score["model"] for score in line["scores"]] == ["V28", "V24"]


def test_what_is_said_by_telephone_alone_does_not_count(codesets: CodeSets) -> None:
    note = {"document_id": "a", "text": "ASSESSMENT: diabetes.", "encounter": {"modality": "audio"}}
    line = reviewed(codesets, patient_id="p", notes=[note])
    assert line["scores"][0]["codes"] == []


def test_a_broken_line_is_refused_with_its_field(codesets: CodeSets) -> None:
    with pytest.raises(InvalidNote) as caught:
        reviewed(codesets, patient_id="p", person={"age": -1})
    assert hcc.problem(caught.value, 3)["field"] == "person.age"


def test_the_list_is_ordered_and_whole(tmp_path: Path) -> None:
    lines = hcc.ranked([{"line": 1, "problem": "x"}, {"priority": 0.1}, {"priority": 0.7}])
    hcc.write(tmp_path / "list.jsonl", lines)
    assert [json.loads(line).get("priority") for line in (tmp_path / "list.jsonl").read_text().splitlines()] == [
        0.7,
        0.1,
        None,
    ]
    assert [path.name for path in tmp_path.iterdir()] == ["list.jsonl"]
