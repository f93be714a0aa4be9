"""Stages, summary and report over outcomes that are made by hand: no model takes part."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from codeserve.codesets import CodeSets
from codeserve.evaluation import report
from codeserve.evaluation.gold import Gold, Note
from codeserve.evaluation.runner import Outcome
from codeserve.evaluation.stages import Asked, Fate, excess, fate
from codeserve.evaluation.summary import decisions, summarise
from codeserve.notes.document import Document, Section, SectionKind
from codeserve.notes.spans import Span
from codeserve.pipeline import Coded
from codeserve.reasoning.questions import Answer, Candidate, Judged, System
from codeserve.rules.encounter import Encounter
from codeserve.rules.results import Diagnosis, Role, Route
from codeserve.tagging.entities import Assertion

TEXT = "Gout <b>flare</b> of the right knee. Hypertension."


def asked(codesets: CodeSets, *codes: str) -> Asked:
    """A question whose candidates are these codes' concepts; the first is chosen."""
    keys = [concept.key for code in codes if (concept := codesets.concepts.of(code))]
    found = tuple(Candidate(key, System.ICD10CM, key, 0.5, ("bm25",)) for key in keys)
    return Asked(found, Answer(0, tuple(Judged(c, 0.5) for c in found), 0.1, "llm"))


def diagnosis(code: str, confidence: float = 0.8, role: Role = Role.ASSESSED) -> Diagnosis:
    return Diagnosis(
        code, code, confidence, (Span(0, 4),), Assertion.PRESENT, "llm", role, 1, features={"sure": confidence}
    )


def outcome(codesets: CodeSets, name: str, gold: tuple[str, ...], suggested: tuple[Diagnosis, ...]) -> Outcome:
    whole = Span(0, len(TEXT))
    places = range(len(TEXT)), range(1, len(TEXT) + 1)
    document = Document(TEXT, TEXT, *places, (Section(SectionKind.ASSESSMENT, whole, whole),))
    coded = Coded(document, Encounter(), (), suggested, (), None, (), Route("review", 0.95, ()))
    note = Note(name, {"text": TEXT}, Gold(gold, status=("Z79.4",), services=()), "held", "office")
    return Outcome(note, coded, tuple(asked(codesets, d.code) for d in suggested), {})


@pytest.mark.parametrize(
    ("code", "suggested", "candidates", "expected"),
    [
        ("M10.9", ["M10.9"], ["M10.9"], Fate.RIGHT),
        ("M25.561", ["M25.562"], ["M25.561"], Fate.DETAIL),
        ("M10.9", ["M10.061"], ["M10.061"], Fate.CATEGORY),
        ("R05.9", [], ["R05.9"], Fate.DROPPED),
        ("I10", [], ["I16.0", "I10"], Fate.NOT_CHOSEN),
        ("M10.9", [], ["M10.061"], Fate.NOT_RETRIEVED),
        ("M10.9", ["I10"], ["I10"], Fate.NOT_TAGGED),
        ("W19.XXXA", [], [], Fate.EXTERNAL),
    ],
)
def test_the_fate_of_a_gold_code(
    codesets: CodeSets, code: str, suggested: list[str], candidates: list[str], expected: Fate
) -> None:
    assert fate(code, suggested, [asked(codesets, *candidates)], codesets.concepts) is expected


@pytest.mark.parametrize(
    ("code", "gold", "said"),
    [
        ("M25.562", ["M25.561"], "side or 7th character"),
        ("M10.9", ["M10.061"], "another code of the category"),
        ("W19.XXXA", ["I10"], "external cause"),
        ("R05.9", ["I10"], "symptom"),
        ("Z79.4", ["I10"], "status"),
        ("I10", ["E11.9"], "condition"),
    ],
)
def test_what_is_wrong_with_a_suggestion(codesets: CodeSets, code: str, gold: list[str], said: str) -> None:
    assert said in excess(code, gold, codesets.concepts)


def test_categories_and_status_codes_are_scored_apart(codesets: CodeSets) -> None:
    made = (diagnosis("M10.9"), diagnosis("Z79.4", role=Role.STATUS), diagnosis("R51.9"))
    found = summarise([outcome(codesets, "A", ("M10.9", "R51"), made)], {}, codesets)
    assert found["gold_categories"] == 1
    exact = found["diagnoses"]["exact"]
    assert (exact["right"], exact["suggested"], exact["gold"]) == (1, 2, 1)
    assert found["diagnoses"]["three_characters"]["f1"] == 1
    assert found["diagnoses"]["status codes"]["f1"] == 1


def test_the_report_is_whole_escaped_and_the_same_twice(codesets: CodeSets, tmp_path: Path) -> None:
    right = outcome(codesets, "A", ("M10.9", "I10"), (diagnosis("M10.9", 0.9), diagnosis("I10", 0.85)))
    wrong = outcome(codesets, "B", ("E11.9",), (diagnosis("E11.65", 0.4), diagnosis("R05.9", 0.3), diagnosis("I10")))
    texts = []
    for folder in (tmp_path / "one", tmp_path / "two"):
        summary = summarise([right, wrong], {"no-llm": [right, right]}, codesets)
        report.write(folder, summary, [right, wrong], codesets, {"chain": "default"})
        texts.append([p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()])
    assert texts[0] == texts[1]
    folder = tmp_path / "one"
    said = (folder / "report.md").read_text()
    pictures = [line.split("(")[1].rstrip(")") for line in said.splitlines() if line.startswith("![")]
    assert len(pictures) == 5
    assert all((folder / name).stat().st_size > 1000 for name in pictures)
    page = (folder / "diff" / "0001.html").read_text()
    assert "<b>flare" not in page
    assert "&lt;b&gt;" in page
    assert 'data-codes="M10.9 I10"' in page
    assert (folder / "diff" / "index.html").read_text().index(">B<") < (
        folder / "diff" / "index.html"
    ).read_text().index(">A<")
    rows = [json.loads(line) for line in (folder / "decisions.jsonl").read_text().splitlines()]
    assert rows == decisions([right, wrong], codesets)
    assert [row["right"] for row in rows] == [True, True, False, False, False]
    assert TEXT[:9] not in (folder / "decisions.jsonl").read_text() + (folder / "report.json").read_text()
