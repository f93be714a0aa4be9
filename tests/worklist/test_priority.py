from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codeserve.errors import InvalidNote
from codeserve.worklist import cursor, priority
from codeserve.worklist.priority import rank
from tests.worklist.rows import response


def line(confidence: float, amount: float | None = None) -> dict[str, Any]:
    price = None if amount is None else {"amount": amount}
    return {"code": "X", "confidence": confidence, "expected_reimbursement": price}


def finding(severity: str) -> dict[str, Any]:
    return {"severity": severity, "rule": f"a-{severity}"}


def answer(**changes: Any) -> dict[str, Any]:
    return {"diagnosis_codes": [], "procedure_codes": [], "em": None, "findings": [], **changes}


CONFIDENCES = st.floats(0, 1)
AMOUNTS = st.none() | st.floats(0, 1e6)
ANSWERS = st.builds(
    lambda d, p, f: answer(diagnosis_codes=d, procedure_codes=p, findings=f),
    st.lists(CONFIDENCES.map(line), max_size=20),
    st.lists(st.builds(line, CONFIDENCES, AMOUNTS), max_size=20),
    st.lists(st.sampled_from(["error", "warning", "info"]).map(finding), max_size=8),
)


def test_the_points_of_the_table_sum_up_to_100() -> None:
    assert sum(float(row["points"]) for row in priority._table()) == 100


@given(ANSWERS, st.sampled_from(["", "why"]), st.sampled_from(["", "why"]))
def test_a_priority_is_the_sum_of_its_reasons(told: dict[str, Any], problem: str, amended: str) -> None:
    ranked = rank(told, draft_problem=problem, amended=amended)
    assert 0 <= ranked.priority <= 100
    points = [float(reason.rpartition("(+")[2].rstrip(")")) for reason in ranked.reasons]
    assert ranked.priority == pytest.approx(sum(points), abs=0.05 * len(points) + 0.01)
    assert points == sorted(points, reverse=True)


@given(ANSWERS)
def test_more_doubt_an_error_or_an_uncertain_draft_lifts(told: dict[str, Any]) -> None:
    before = rank(told).priority
    assert rank({**told, "findings": [*told["findings"], finding("error")]}).priority >= before
    assert rank({**told, "diagnosis_codes": [*told["diagnosis_codes"], line(0.0)]}).priority >= before
    assert rank(told, draft_problem="look first").priority > before
    assert rank({**told, "findings": [*told["findings"], finding("info")]}).priority == before


def test_what_a_coder_reads() -> None:
    told = answer(
        diagnosis_codes=[line(0.95), line(0.62)],
        procedure_codes=[line(0.9, 120.5)],
        findings=[finding("error"), finding("warning"), finding("warning")],
    )
    ranked = rank(told)
    assert ranked.reasons == (
        "1 error, 2 warnings: a-error, a-warning (+25.0)",
        "expected reimbursement 120.50 USD (+13.9)",
        "lowest confidence 0.62 (+9.5)",
        "3 codes (+1.2)",
    )
    assert (ranked.findings, ranked.lowest_confidence, ranked.expected_amount) == (3, 0.62, 12050)


def test_a_whole_answer() -> None:
    ranked = rank(response())
    assert (ranked.findings, ranked.lowest_confidence, ranked.expected_amount) == (1, 0.8, None)
    assert "2 codes and a visit of level low (+3.3)" in ranked.reasons


@given(st.floats(0, 100), st.uuids().map(str))
def test_a_cursor_comes_back(points: float, item_id: str) -> None:
    assert cursor.read(cursor.write((points, item_id))) == (points, item_id)


@given(st.text(max_size=60))
def test_a_cursor_of_somebody_else_is_refused_or_read(text: str) -> None:
    try:
        found = cursor.read(text)
    except InvalidNote:
        return
    assert [type(part) for part in found] == [float, str]
