from __future__ import annotations

import asyncio
import io
import json
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from codeserve import hcc
from codeserve.api.schemas import Encounter
from codeserve.codesets import CodeSets
from codeserve.errors import InvalidNote, SetupError
from codeserve.notes.spans import Span
from codeserve.pipeline import Coded
from codeserve.present_review import show_review
from codeserve.rules.encounter import Encounter as Visit
from codeserve.rules.gaps import Gap
from codeserve.rules.results import Route
from tests.rules.making import diagnosis, document

YEAR, TODAY = 2026, date(2026, 11, 25)
KNOWN = {"diabetes": "E11.9", "heart failure": "I50.22", "hypertension": "I10"}


async def read(text: str, encounter: Encounter) -> Coded:
    if "crash" in text:
        raise ZeroDivisionError(text)
    found = [
        diagnosis(code, Span(text.index(words), text.index(words) + len(words)))
        for words, code in KNOWN.items()
        if words in text
    ]
    return Coded(document(text), Visit(), (), tuple(found), (), None, (), Route("review", 0.95, ()))


def gaps(coded: Coded) -> Sequence[Gap]:
    """A diagnosis in a note with the word "bare" has nothing done about it."""
    bare = "bare" in coded.document.text
    return [
        Gap("G1", "meat-missing", d.evidence, "How was it treated, if it was?", "", (d.code,), "source")
        for d in coded.diagnoses
        if bare
    ]


def named(coded: Coded) -> list[tuple[str, Span]]:
    """The word CHF stands for heart failure, whether or not it is assessed."""
    text = coded.document.text
    return [("I50.9", Span(text.index("CHF"), text.index("CHF") + 3))] if "CHF" in text else []


def reader(codesets: CodeSets) -> hcc.Reader:
    return hcc.Reader(
        read, gaps, lambda code: codesets.icd.description(code) if code in codesets.icd else "", named, 10_000
    )


def note(document_id: str, day: str | None, text: str, **encounter: Any) -> dict[str, Any]:
    when = {"date_of_service": day} if day else {}
    return {"document_id": document_id, "text": text, "encounter": {**when, **encounter}}


def reviewed(codesets: CodeSets, **chart: Any) -> dict[str, Any]:
    body = json.dumps({"patient_id": "p", **chart}).encode()
    return asyncio.run(hcc.review(body, reader(codesets), YEAR, TODAY))


def model(line: dict[str, Any], name: str = "V28") -> dict[str, Any]:
    return next(one for one in line["models"] if one["model"] == name)


def test_notes_are_parted_by_their_year(codesets: CodeSets) -> None:
    notes = [
        note("old", "2024-03-01", "ASSESSMENT: heart failure."),
        note("now", "2026-03-01", "ASSESSMENT: diabetes."),
        note("next", "2027-01-04", "ASSESSMENT: hypertension."),
        note("undated", None, "ASSESSMENT: heart failure."),
    ]
    line = reviewed(codesets, notes=notes)
    assert line["notes"] == {"this_year": 1, "earlier": 1, "later": 1, "undated": 1}
    (asked,) = line["questions"]
    assert (asked["kind"], asked["codes"]) == ("recapture", ("I50.22",))
    assert "was documented in 2024 and not in 2026 so far" in asked["question"]
    (evidence,) = asked["evidence"]
    assert (evidence["document_id"], evidence["text"]) == ("old", "heart failure")
    assert notes[0]["text"][evidence["start"] : evidence["end"]] == evidence["text"]
    assert [code["code"] for code in model(line)["codes"] if code["origin"] == "documented"] == ["E11.9"]


def test_what_is_documented_this_year_is_not_asked(codesets: CodeSets) -> None:
    notes = [note("a", "2025-03-01", "ASSESSMENT: diabetes."), note("b", "2026-03-01", "ASSESSMENT: diabetes.")]
    assert reviewed(codesets, notes=notes)["questions"] == []
    assert reviewed(codesets, prior_diagnoses=["E11.9"], documented_diagnoses=["E11.22"])["questions"] == []


def test_factors_before_and_after_and_what_was_assumed(codesets: CodeSets) -> None:
    line = reviewed(
        codesets,
        person={"age": 74, "sex": "F"},
        prior_diagnoses=["I50.22"],
        notes=[note("a", "2026-03-01", "ASSESSMENT: diabetes.")],
    )
    v28 = model(line)
    assert v28["demographics"] == 0.395
    assert v28["documented"] == pytest.approx(0.395 + 0.166)
    assert v28["expected_change"] == pytest.approx(v28["if_recaptured"] - v28["documented"])
    assert line["person"] == {"age": 74, "sex": "F", "dual_elgbl_cd": "00", "orec": "0", "lti": False}
    assert "not dually eligible for Medicaid" in line["assumed"]
    assert line["order"]["expected_change"]["V28"] == v28["expected_change"]
    assert line["order"]["days_left"] == 36
    assert line["order"]["last_visit"] == date(2026, 3, 1)
    assert any("V28 +" in reason for reason in line["reasons"])


def test_a_drug_beside_an_earlier_condition_is_evidence_and_no_second_question(codesets: CodeSets) -> None:
    text = "MEDICATIONS: sacubitril-valsartan, carbidopa-levodopa."
    line = reviewed(codesets, prior_diagnoses=["I50.22"], notes=[note("a", "2026-03-01", text)])
    by_kind = {one["kind"]: one for one in line["questions"]}
    assert set(by_kind) == {"recapture", "suspected"}
    assert [one["text"] for one in by_kind["recapture"]["evidence"]] == ["sacubitril-valsartan"]
    assert by_kind["suspected"]["codes"] == ()
    assert [one["text"] for one in by_kind["suspected"]["evidence"]] == ["carbidopa-levodopa"]


def test_a_condition_that_a_note_names_without_assessing_it_is_asked_about_with_that_place(
    codesets: CodeSets,
) -> None:
    line = reviewed(codesets, prior_diagnoses=["I50.22"], notes=[note("a", "2026-03-01", "PMH: CHF, gout.")])
    (asked,) = line["questions"]
    assert "it is named in 2026 so far, without an assessment that was found" in asked["question"]
    assert [one["text"] for one in asked["evidence"]] == ["CHF"]


def test_a_condition_without_support_in_any_note_is_asked_about(codesets: CodeSets) -> None:
    bare = note("a", "2026-03-01", "ASSESSMENT: diabetes, bare.")
    (asked,) = reviewed(codesets, notes=[bare])["questions"]
    assert (asked["kind"], asked["codes"]) == ("support", ("E11.9",))
    assert asked["evidence"][0]["text"] == "diabetes"
    line = reviewed(codesets, notes=[bare, note("b", "2026-04-01", "ASSESSMENT: diabetes, glargine 20 units.")])
    assert line["questions"] == []
    (code,) = model(line)["codes"]
    assert (code["supported"], code["documents"]) == (True, ["a", "b"])


def test_what_is_said_by_telephone_alone_does_not_count(codesets: CodeSets) -> None:
    line = reviewed(codesets, notes=[note("a", "2026-03-01", "ASSESSMENT: diabetes.", modality="audio")])
    assert model(line)["codes"] == []
    assert line["order"]["last_visit"] is None


def test_a_broken_line_is_refused_with_its_field(codesets: CodeSets) -> None:
    with pytest.raises(InvalidNote) as caught:
        reviewed(codesets, person={"age": -1})
    assert caught.value.field == "person.age"
    with pytest.raises(InvalidNote):
        reviewed(codesets, person={"dual_elgbl_cd": "77"})


def test_whatever_breaks_a_line_stays_in_its_line(codesets: CodeSets) -> None:
    crash = json.dumps({"patient_id": "p", "notes": [note("a", "2026-03-01", "crash of Jane Roe")]}).encode()
    lines = [
        asyncio.run(hcc.review_safely(line, number, reader(codesets), YEAR, TODAY))
        for number, line in enumerate((crash, b"{", b'{"patient_id": "q"}'), 1)
    ]
    assert [line.get("problem") for line in lines] == ["internal", "bad-request", None]
    assert "Jane" not in json.dumps(lines[0])
    assert [line.get("rank") for line in hcc.ranked(lines)] == [1, None, None]


def test_an_installation_that_cannot_work_stops_all(codesets: CodeSets) -> None:
    async def unready(text: str, encounter: Encounter) -> Coded:
        raise SetupError("no tables")

    line = json.dumps({"patient_id": "p", "notes": [note("a", "2026-03-01", "x")]}).encode()
    broken = hcc.Reader(unready, gaps, str, named, 10_000)
    with pytest.raises(SetupError):
        asyncio.run(hcc.review_safely(line, 1, broken, YEAR, TODAY))


def ordered(patient: str, v28: float, v24: float, questions: int, line: int = 1) -> dict[str, Any]:
    order = {"expected_change": {"V28": v28, "V24": v24}, "open_questions": questions}
    return {"line": line, "patient_id": patient, "order": order}


def test_the_list_is_ordered_and_whole(tmp_path: Path) -> None:
    lines = [
        {"line": 1, "problem": "x", "detail": "", "field": ""},
        ordered("e", 0.1, 0.1, 9),
        ordered("d", 0.5, 0.1, 1),
        ordered("c", 0.5, 0.1, 2),
        ordered("b", 0.5, 0.3, 0),
        ordered("a", 0.5, 0.1, 1),
        ordered("a", 0.9, 0.9, 9, line=7),
    ]
    listed = hcc.ranked(lines)
    hcc.write(tmp_path / "list.jsonl", listed)
    written = [json.loads(line) for line in (tmp_path / "list.jsonl").read_text().splitlines()]
    assert [line.get("patient_id") for line in written] == ["b", "c", "a", "d", "e", None, None]
    assert [line["rank"] for line in written[:5]] == [1, 2, 3, 4, 5]
    assert written[-1]["line"] == 7  # the same patient a second time
    assert hcc.ranked(reversed(lines[1:6]))[0]["patient_id"] == "b"
    assert [path.name for path in tmp_path.iterdir()] == ["list.jsonl"]


def test_the_console_shows_questions_and_no_patient_ids(codesets: CodeSets) -> None:
    chart = {"patient_id": "MRN-4711", "prior_diagnoses": ["I50.22"]}
    line = asyncio.run(hcc.review_safely(json.dumps(chart).encode(), 1, reader(codesets), YEAR, TODAY))
    broken = asyncio.run(hcc.review_safely(b"{", 2, reader(codesets), YEAR, TODAY))
    out = io.StringIO()
    show_review(hcc.ranked([line, broken]), Console(file=out, width=150))
    assert "heart failure" in out.getvalue()
    assert "line 2: bad-request" in out.getvalue()
    assert "36 days left" in out.getvalue()
    assert "4711" not in out.getvalue()


def test_the_example_charts_are_charts(codesets: CodeSets) -> None:
    source = Path(__file__).parents[1] / "examples" / "charts.jsonl"
    lines = source.read_bytes().splitlines()
    assert len(lines) >= 6
    for number, line in enumerate(lines, 1):
        assert "problem" not in asyncio.run(hcc.review_safely(line, number, reader(codesets), YEAR, TODAY))
