from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codeserve.codesets import CodeSets
from codeserve.notes.spans import Span
from codeserve.rules.encounter import Encounter
from codeserve.rules.gaps import Gap, find_gaps
from codeserve.rules.results import Diagnosis, Em, Procedure
from codeserve.rules.tables import rows
from tests.rules.making import document, em, named, procedure

AP = "ASSESSMENT AND PLAN:\n"


def gaps(
    codesets: CodeSets,
    text: str,
    *pairs: tuple[str, str],
    procedures: tuple[Procedure, ...] = (),
    visit: Em | None = None,
    told: Encounter | None = None,
) -> dict[str, Gap]:
    found = find_gaps(document(text), (), named(text, *pairs), procedures, visit, told or Encounter(), codesets)
    return {gap.kind: gap for gap in found}


KNEE = ("M25.569", "Knee pain")
HTN = ("I10", "Hypertension")


@pytest.mark.parametrize(
    ("text", "pair", "kind"),
    [
        (AP + "1. Knee pain: worse. Ice.", KNEE, "side-missing"),
        (AP + "1. Heart failure: stable. Continue furosemide 20 mg.", ("I50.9", "Heart failure"), "detail-missing"),
        ("EXAM: Left knee tender.\n" + AP + "1. Knee pain: worse.", ("M25.561", "Knee pain"), "conflicting-sides"),
        ("HPI: Here for papers.\n" + AP + "1. Gout", ("M10.9", "Gout"), "no-support"),
        ("HPI: Long COPD.\n" + AP + "1. COPD", ("J44.9", "COPD"), "meat-missing"),
        (
            "PMH: No history of diabetes.\nMEDICATIONS: metformin.\n" + AP + "1. Hypertension: stable.",
            HTN,
            "conflicting-statements",
        ),
        ("VITALS: BMI 34.2\n" + AP + "1. Hypertension: stable.", HTN, "bmi-without-diagnosis"),
        (AP + "1. Hypertension: stable. Advance care planning done.", HTN, "time-missing"),
    ],
)
def test_kinds(codesets: CodeSets, text: str, pair: tuple[str, str], kind: str) -> None:
    gap = gaps(codesets, text, pair)[kind]
    assert all(span.of(text) for span in gap.spans)
    assert gap.source


@pytest.mark.parametrize(
    ("text", "pair"),
    [
        (AP + "1. Knee pain: worse. Ice.", ("M25.561", "Knee pain")),
        (AP + "1. Acute systolic heart failure: worse.", ("I50.9", "heart failure")),
        ("EXAM: Right knee tender.\n" + AP + "1. Knee pain: worse.", ("M25.561", "Knee pain")),
        ("HPI: Gout of the toe.\n" + AP + "1. Gout: allopurinol 100 mg, improving.", ("M10.9", "Gout")),
        (AP + "1. Hypertension: at goal. Continue lisinopril 10 mg.", HTN),
        ("FAMILY HISTORY: Mother on metformin. No history of diabetes.\n" + AP + "1. Hypertension: stable.", HTN),
        ("VITALS: BMI 22.0\n" + AP + "1. Hypertension: stable.", HTN),
        ("VITALS: BMI 34.2\n" + AP + "1. Hypertension: stable. Obesity counselling.", HTN),
        (AP + "1. Hypertension: stable. Advance care planning, 20 minutes.", HTN),
    ],
)
def test_what_is_documented_is_not_asked(codesets: CodeSets, text: str, pair: tuple[str, str]) -> None:
    assert gaps(codesets, text, pair) == {}


def test_services(codesets: CodeSets) -> None:
    text = "PROCEDURE: Ketorolac injection given.\n" + AP + "1. Knee pain: worse, right side."
    shot = replace(procedure("J1885", pointers=()), evidence=(Span(11, 37),))
    found = gaps(codesets, text, ("M25.561", "Knee pain"), procedures=(shot,))
    assert {"dose-missing", "procedure-without-diagnosis"} <= set(found)
    dosed = text.replace("Ketorolac", "Ketorolac 60 mg IM")
    given_dose = replace(shot, evidence=(Span(11, 46),), diagnosis_pointers=(1,))
    assert gaps(codesets, dosed, ("M25.561", "Knee pain"), procedures=(given_dose,)) == {}
    assert "time-missing" in gaps(codesets, AP + "1. COPD: stable.", visit=em("99238"))
    assert "time-missing" not in gaps(codesets, AP + "1. COPD: stable.", visit=em("99238"), told=Encounter(minutes=20))


def test_the_words_of_every_kind_are_neutral() -> None:
    for row in rows("gap_kinds.tsv"):
        assert row["question"].endswith("?")
        assert not re.search(r"\bHCC|RAF|pay|reimburs|bill|code", row["question"])
        assert not re.match(r"(?:is|are|does|do|was|would|should)\b", row["question"], re.IGNORECASE)


PIECES = st.sampled_from(
    ["BMI 41.2.", "No history of diabetes.", "metformin", "Left knee pain.", "1. Gout", "2. COPD", AP, "EXAM:\n", "\n"]
)


@settings(max_examples=40, deadline=None)
@given(st.lists(PIECES, max_size=12))
def test_any_text_is_answered_in_order_and_alike(codesets: CodeSets, pieces: list[str]) -> None:
    text = " ".join(pieces) + " Gout"
    told: tuple[Diagnosis, ...] = named(text, ("M10.9", "Gout"))
    found = find_gaps(document(text), (), told, (), None, Encounter(), codesets)
    assert found == find_gaps(document(text), (), told, (), None, Encounter(), codesets)
    assert [gap.id for gap in found] == [f"G{n}" for n in range(1, len(found) + 1)]
    for gap in found:
        assert all(0 <= span.start < span.end <= len(text) for span in gap.spans)
        assert gap.question.endswith("?")
        assert not any(code in gap.question for code in gap.codes)
