from __future__ import annotations

import pytest

from codeserve.rules.em_inferred import infer
from codeserve.rules.encounter import Encounter
from tests.rules.making import diagnosis, document

UNTOLD = Encounter()


def inferred(text: str, code: str = "I10", encounter: Encounter = UNTOLD) -> tuple[str | None, str | None]:
    known, rules = infer(document(text), encounter, [diagnosis(code)])
    told = (
        ("em-setting-inferred", known.setting, encounter.setting),
        ("em-service-inferred", known.service, encounter.service),
    )
    assert rules == tuple(rule for rule, found, before in told if found != before)
    return known.setting, known.service


@pytest.mark.parametrize(
    ("text", "setting", "service"),
    [
        ("EMERGENCY DEPARTMENT NOTE\nChest pain.", "emergency", None),
        ("Nursing home admission H&P\nWeak.", "nursing_facility", "initial"),
        ("House call. Short of breath.", "home", None),
        ("Hospital day 3. Better.", "inpatient", None),
        ("Office visit. He was in the emergency department last week.", None, None),
    ],
)
def test_the_setting_that_a_note_names(text: str, setting: str | None, service: str | None) -> None:
    assert inferred(text) == (setting, service)


def test_what_was_told_stands() -> None:
    told = Encounter(setting="office", service="subsequent")
    assert infer(document("EMERGENCY DEPARTMENT NOTE"), told, [diagnosis("I10")]) == (told, ())


def test_examinations_and_consultations() -> None:
    office = Encounter(setting="office")
    assert inferred("Annual physical exam.", "Z00.00", office)[1] == "preventive"
    assert inferred("Annual physical exam.", "I10", office)[1] is None
    asked = "CONSULTATION requested by Dr. Lee for an opinion."
    assert inferred(asked, encounter=office)[1] == "consultation"
    assert inferred(asked, encounter=Encounter(setting="office", payer="Medicare"))[1] is None
    stay = Encounter(setting="inpatient")
    assert inferred("Discharge note. Well.", encounter=stay)[1] == "discharge"
