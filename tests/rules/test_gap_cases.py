from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from codeserve.codesets import CodeSets
from codeserve.notes.spans import Span
from codeserve.rules.encounter import Encounter
from codeserve.rules.gaps import Gap, find_gaps
from codeserve.rules.results import Procedure
from codeserve.rules.tables import rows
from tests.rules.claims import line_of
from tests.rules.making import document, em, named, procedure

CASES: list[dict[str, Any]] = yaml.safe_load(
    (Path(__file__).parent / "data" / "gap_cases.yaml").read_text(encoding="utf-8")
)
Case = Mapping[str, Any]


def asked(case: Case, codesets: CodeSets) -> tuple[Gap, ...]:
    text, visit = case["text"], case.get("visit", "99213")
    diagnoses = named(text, *(tuple(pair) for pair in case["named"]))
    services = tuple(_service(written, words, text) for written, words in case.get("services", {}).items())
    encounter = Encounter(**case.get("encounter", {}))
    return find_gaps(document(text), (), diagnoses, services, em(visit) if visit else None, encounter, codesets)


def _service(written: str, words: str, text: str) -> Procedure:
    line = line_of(written)
    where = Span(text.index(words), text.index(words) + len(words))
    return replace(procedure(line.code, line.modifiers, line.diagnosis_pointers), evidence=(where,))


def says(gap: Gap, told: str) -> bool:
    """Whether a gap is what a case names: a kind, or a kind with words of its question."""
    kind, _, words = told.partition(":")
    return gap.kind == kind and words.strip().lower() in gap.question.lower()


@pytest.mark.parametrize("case", CASES, ids=[case["why"] for case in CASES])
def test_case(codesets: CodeSets, case: Case) -> None:
    gaps = asked(case, codesets)
    expected = case.get("expect", ())
    assert [told for told in expected if not any(says(gap, told) for gap in gaps)] == []
    assert [gap.question for gap in gaps for told in case.get("never", ()) if says(gap, told)] == []
    if case.get("only"):
        assert {gap.kind for gap in gaps} == {told.partition(":")[0] for told in expected}


def test_every_kind_is_asked_in_one_case_and_not_in_another() -> None:
    kinds = {row["kind"] for row in rows("gap_kinds.tsv")}
    assert {told.partition(":")[0] for case in CASES for told in case.get("expect", ())} == kinds
    assert {told for case in CASES for told in case.get("never", ()) if ":" not in told} == kinds


def test_every_axis_names_codes_that_exist_and_leave_a_choice(codesets: CodeSets) -> None:
    for row in rows("gap_axes.tsv"):
        assert len(row["choices"].split("; ")) > 1
        assert row["where"] in ("near", "note")
        for stem in row["codes"].split("|") if row["codes"] else ():
            assert codesets.icd.leaves(stem) or any(code.startswith(stem) for code in codesets.icd.billable_codes())
