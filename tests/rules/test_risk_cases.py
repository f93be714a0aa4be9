"""The notes of data/risk_cases.yaml: exactly their questions, and the questions' words."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml

from codeserve.rules.encounter import Encounter
from codeserve.rules.reading import Reading
from codeserve.rules.recapture import recapture
from codeserve.rules.risk_adjustment import Person
from codeserve.rules.suspects import Read, suspected
from codeserve.rules.tables import rows
from tests.rules.making import document

CASES: list[dict[str, Any]] = yaml.safe_load((Path(__file__).parent / "data" / "risk_cases.yaml").read_text("utf-8"))
TODAY = date(2026, 5, 20)


def read(text: str, day: date = TODAY) -> Read:
    return Read("d", day, Reading.of(document(text), (), Encounter(date_of_service=day)))


def asked(case: dict[str, Any]) -> set[str]:
    codes, prior = case.get("codes", []), case.get("prior", [])
    before = [read(one["text"], one["day"]) for one in case.get("earlier", [])]
    found = suspected([read(case["text"])], before, codes, prior)
    missed = recapture(codes, prior, Person(72, "F"))
    return {one.id for one in found if not one.known} | {f"recapture:{one.codes[0]}" for one in missed}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_a_note_leads_to_its_questions_and_to_no_other(case: dict[str, Any]) -> None:
    found = asked(case)
    assert found == set(case["asks"])
    assert not found & set(case.get("never", []))


def test_the_cases_are_many_and_name_rows_that_exist() -> None:
    known = {row["id"] for row in rows("hcc_suspects.tsv")}
    named = {one for case in CASES for one in (*case["asks"], *case.get("never", [])) if ":" not in one}
    assert len(CASES) >= 40
    assert len({case["id"] for case in CASES}) == len(CASES)
    assert named <= known


def test_questions_are_neutral() -> None:
    for row in rows("hcc_suspects.tsv"):
        assert row["question"].endswith("?")
        assert row["source"]
        assert re.compile(row["words"])
        assert not re.search(r"\b[A-Z]\d\d|HCC|RAF|payment|diabetes|failure|disease", row["question"])
