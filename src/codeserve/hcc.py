"""`codeserve hcc`: charts of many patients in, a review list out, the patient with most to ask about first.

A chart is a line of JSON: `patient_id`, `person` (age, sex, dual_elgbl_cd, orec), `prior_diagnoses`, `notes` (each a
`document_id`, `text` and `encounter`). Notes are read without the LLM. A broken line becomes a problem in its place and
the rest goes on.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import Annotated, Any, Literal

import orjson
from pydantic import Field

from codeserve.api.checks import diagnosis_code
from codeserve.api.parse import parse
from codeserve.api.schemas import DiagnosisCodeText, Encounter, Identifier, NoteText, Request
from codeserve.artifacts import write_whole
from codeserve.errors import CodeserveError
from codeserve.pipeline import Coded
from codeserve.rules.reading import Reading
from codeserve.rules.results import Role
from codeserve.rules.risk_adjustment import Person, Suspect, recapture, scores, suspected

Read = Callable[[str, Encounter], Awaitable[Coded]]
AUDIO = "audio"  # CMS counts visits in person and by video


class ChartPerson(Request):
    age: int = Field(default=70, ge=0, le=130)
    sex: Literal["F", "M"] = "F"
    dual_elgbl_cd: Annotated[str, Field(pattern=r"^\d{2}$")] = "00"
    orec: Annotated[str, Field(pattern=r"^[0-3]$")] = "0"


class ChartNote(Request):
    document_id: Identifier
    text: NoteText
    encounter: Encounter = Encounter()


class Chart(Request):
    patient_id: Identifier
    person: ChartPerson = ChartPerson()
    prior_diagnoses: list[DiagnosisCodeText] = Field(default_factory=list, max_length=1000)
    notes: list[ChartNote] = Field(default_factory=list, max_length=1000)


async def review(line: bytes, read: Read, describe: Callable[[str], str], max_text_chars: int) -> dict[str, Any]:
    """One patient's line of the list; `describe` takes a code to its name.

    Raises CodeserveError for a line that is no chart, and what `read` raises.
    """
    chart = parse(Chart, line, max_text_chars)
    person = Person(**chart.person.model_dump())
    codes: dict[str, None] = {}
    seen: list[tuple[str, Coded, Reading]] = []
    for note in chart.notes:
        coded = await read(note.text, note.encounter)
        if note.encounter.modality != AUDIO:
            codes.update((d.code, None) for d in coded.diagnoses if d.role in (Role.ASSESSED, Role.STATUS))
        seen.append((note.document_id, coded, Reading.of(coded.document, coded.entities, coded.encounter)))
    prior = tuple(diagnosis_code(code) for code in chart.prior_diagnoses)
    asked = [_question(one) for one in recapture(tuple(codes), prior, person, describe)]
    asked += [
        _question(one, document_id, coded) for document_id, coded, reading in seen for one in suspected(reading, codes)
    ]
    unique = {one["question"]: one for one in asked}
    questions = sorted(unique.values(), key=lambda one: -one["weight"])
    return {
        "patient_id": chart.patient_id,
        "priority": round(sum(one["weight"] for one in questions), 3),
        "scores": [
            {
                "model": score.model,
                "documented": score.documented,
                "prior": score.prior,
                "change": score.change,
                "codes": [
                    {"code": c.code, "origin": c.origin, "categories": c.categories, "kept": c.kept}
                    for c in score.carried
                ],
            }
            for score in scores(tuple(codes), prior, person)
        ],
        "questions": questions,
        "person": chart.person.model_dump(),
    }


def ranked(lines: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Most to ask about first; problems behind, in their order."""
    return sorted(lines, key=lambda one: -one.get("priority", -1.0))


def write(target: Path, lines: Iterable[dict[str, Any]]) -> None:
    """JSON Lines, whole or not at all; readable by its owner only."""
    write_whole(target, (orjson.dumps(line) for line in lines))


def problem(error: CodeserveError, number: int) -> dict[str, Any]:
    return {"line": number, "problem": error.type, "detail": error.detail, "field": error.field}


def _question(one: Suspect, document_id: str = "", coded: Coded | None = None) -> dict[str, Any]:
    spans = [coded.document.to_original(span) for span in one.spans] if coded else []
    evidence = [{"document_id": document_id, "start": span.start, "end": span.end} for span in spans]
    told = {"kind": one.kind, "question": one.question, "codes": one.codes, "weight": one.weight, "source": one.source}
    return {**told, "evidence": evidence}
