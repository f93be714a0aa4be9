"""What the fault runs hold against an answer: the check itself must be able to fail."""

from __future__ import annotations

import copy
from typing import Any

from benchmarks.clients import Seen, judge, same


def answer(code: str = "M10.9", confidence: float = 0.9, model: str = "a") -> dict[str, Any]:
    alternatives = [{"code": "M10.00", "confidence": 0.05}]
    codes = [{"code": code, "confidence": confidence, "alternatives": alternatives}] if code else []
    return {"model": {"name": model}, "diagnosis_codes": codes, "procedure_codes": []}


def kinds(*answers: dict[str, Any]) -> dict[str, int]:
    expected = {"a": {"gout": answer()}}
    return dict(judge([Seen(0, 1, "200", "gout", one) for one in answers], expected))


def test_an_answer_as_before_is_right() -> None:
    assert kinds(answer(), answer(confidence=0.91)) == {"200": 2}


def test_other_codes_confidences_and_unknown_models_are_wrong() -> None:
    assert kinds(answer("I10"), answer(confidence=0.8), answer(model="b")) == {"wrong 200": 3}


def test_an_empty_answer_is_told_apart() -> None:
    assert kinds(answer(code="")) == {"empty 200": 1}


def test_what_is_no_answer_counts_as_it_came() -> None:
    assert dict(judge([Seen(0, 1, "503", "gout"), Seen(0, 1, "closed", "gout")], {})) == {"503": 1, "closed": 1}


def test_a_tie_may_fall_either_way() -> None:
    one, other = answer(confidence=0.5), answer("M10.00", 0.49)
    one["diagnosis_codes"][0]["alternatives"] = [{"code": "M10.00", "confidence": 0.49}]
    other["diagnosis_codes"][0]["alternatives"] = [{"code": "M10.9", "confidence": 0.48}]
    assert same(one, other)
    far = copy.deepcopy(one)
    far["diagnosis_codes"][0]["confidence"] = 0.6
    assert not same(far, other)
