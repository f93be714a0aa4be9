from __future__ import annotations

import pytest

from codeserve.rules.drug_use import in_use
from codeserve.rules.encounter import Encounter
from codeserve.rules.reading import Reading
from tests.rules.making import document

WORDS = r"\b(?:insulin(?: glargine)?|warfarin|dialysis|apixaban|home oxygen|lithium)\b"


def used(text: str) -> list[str]:
    reading = Reading.of(document(text), (), Encounter())
    return [span.of(text) for span in in_use(reading, WORDS)]


@pytest.mark.parametrize(
    "text",
    [
        "HPI: Takes insulin glargine 20 units.",
        "HPI: History of DVT, on warfarin.",
        "HPI: She has a history of atrial fibrillation for which she takes apixaban.",
        "HPI: His wife reports that he takes insulin daily.",
        "HPI: Wife helps with her insulin.",
        "HPI: Here with husband. On warfarin, INR 2.4.",
        "HPI: Metformin was stopped; now on insulin.",
        "HPI: Mother had diabetes. Patient takes insulin.",
        "HPI: She lives with her husband and uses home oxygen.",
        "HPI: No bleeding on apixaban.",
        "HPI: Denies hypoglycemia on insulin.",
        "HPI: Not missing any doses of insulin.",
        "HPI: Insulin was started 3 years ago.",
        "HPI: Not controlled on insulin.",
        "MEDICATIONS: apixaban 5 mg BID, lisinopril",
    ],
)
def test_what_the_patient_takes_now(text: str) -> None:
    assert used(text)


@pytest.mark.parametrize(
    "text",
    [
        "HPI: He does not take insulin.",
        "HPI: He is not on insulin or dialysis.",
        "HPI: Wife takes insulin.",
        "HPI: Her husband's insulin was in the fridge.",
        "HPI: Both his brother and his father are on dialysis.",
        "HPI: She picks up insulin for her brother.",
        "FAMILY HISTORY: Mother on insulin.",
        "ALLERGIES: warfarin - rash",
        "HPI: Warfarin caused hives.",
        "HPI: Warfarin was discontinued in 2022.",
        "HPI: Previously on warfarin, now none.",
        "HPI: Came off dialysis after his transplant.",
        "HPI: Lithium stopped because of tremor.",
        "PLAN: Consider starting insulin if A1c stays high.",
        "HPI: We discussed dialysis in the future.",
        "HPI: He declined insulin.",
        "DISCONTINUED MEDICATIONS: warfarin",
        "Past medications: lithium, sertraline.",
        "PLAN: Apixaban 2.5 mg for DVT prophylaxis.",
    ],
)
def test_what_is_not_the_patients_own_and_present(text: str) -> None:
    assert used(text) == []
