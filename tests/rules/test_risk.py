"""Risk adjustment of one visit, as the API answers it."""

from __future__ import annotations

from typing import Any

from codeserve.api.convert import to_risk
from codeserve.codesets import CodeSets
from codeserve.rules.encounter import Encounter
from codeserve.rules.reading import Reading
from codeserve.rules.risk import NOT_BY_TELEPHONE, Risk, of_visit
from tests.rules.making import document, named

TEXT = "MEDICATIONS: apixaban 5 mg, carbidopa-levodopa.\nASSESSMENT: Type 2 diabetes, stable, continue metformin."


def visit(codesets: CodeSets, **encounter: Any) -> Risk:
    reading = Reading.of(document(TEXT), (), Encounter(**encounter))
    return of_visit(reading, named(TEXT, ("E11.9", "Type 2 diabetes")), codesets.icd.description)


def test_codes_hierarchy_and_recapture_of_one_visit(codesets: CodeSets) -> None:
    risk = visit(codesets, age=74, sex="female", prior_diagnoses=("E11.22", "I48.20", "A41.9"))
    answer = to_risk(document(TEXT), risk)
    v28 = answer.models[0]
    assert {(code.code, code.origin) for code in v28.codes} >= {("E11.9", "suggested"), ("I48.20", "prior")}
    assert v28.suggested == 0.561
    assert v28.if_recaptured > v28.suggested
    asked = {question.codes[0] if question.codes else question.kind: question for question in answer.questions}
    assert set(asked) == {"E11.22", "I48.20", "suspected"}
    assert [one.text for one in asked["I48.20"].evidence] == ["apixaban"]
    assert "was documented before and not in this note" in asked["I48.20"].question
    assert {one.model: one.change for one in asked["E11.22"].models}["V28"] == 0
    assert [one.text for one in asked["suspected"].evidence] == ["carbidopa-levodopa"]
    assert not any(remark.startswith("assumed: age") for remark in answer.remarks)
    assert "assumed: not dually eligible for Medicaid" in answer.remarks


def test_a_telephone_visit_counts_no_code(codesets: CodeSets) -> None:
    risk = visit(codesets, modality="audio")
    assert risk.remarks[-1] == NOT_BY_TELEPHONE
    assert all(not score.carried for score in risk.scores)


def test_no_question_names_a_code_a_category_or_a_payment(codesets: CodeSets) -> None:
    risk = visit(codesets, prior_diagnoses=("E11.22", "I48.20", "C34.90", "F20.9"))
    assert len(risk.questions) == 5
    for one in risk.questions:
        assert not any(code in one.question for code in one.codes)
        assert not any(word in one.question for word in ("HCC", "RAF", "risk adjust", "payment"))
        assert one.question.endswith("?")
