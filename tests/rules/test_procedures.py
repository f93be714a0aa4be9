from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest

from codeserve.codesets.procedures import ProcedureCode, Procedures
from codeserve.notes.spans import Span
from codeserve.reasoning.questions import Answer, Candidate, Judged, System
from codeserve.rules.doses import units
from codeserve.rules.encounter import Encounter
from codeserve.rules.procedures import (
    Done,
    ProcedureTerms,
    decide_procedures,
    done,
    justifies,
    pointers,
    procedure_questions,
)
from codeserve.rules.results import Procedure, Role
from codeserve.rules.sizes import sized
from codeserve.rules.tables import rows
from tests.rules.making import diagnosis, document

TABLE = Procedures.load()
TERMS = ProcedureTerms(TABLE)
OFFICE = Encounter()


def services(text: str, visit: Encounter = OFFICE) -> list[str]:
    """The codes to which the terms found in a note belong."""
    by_term = {term: code.code for code in TABLE.all() for term in code.terms}
    return [by_term[service.term] for service in done(document(text), TERMS, visit)]


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("ASSESSMENT AND PLAN:\nChest pain. EKG today shows normal sinus rhythm.", ["93000"]),
        ("RESULTS:\nToday's ECG shows sinus bradycardia, unchanged from prior.", ["93000"]),
        ("RESULTS:\nX-rays of the right humerus, 2 views, obtained on today's visit, show a fracture.", ["73060"]),
        ("RESULTS:\nX-rays of the left ankle were obtained and reviewed today.", ["73610"]),
        ("RESULTS:\nRapid strep test: positive.", ["87880"]),
        ("RESULTS:\nPoint of care A1c was 7.4%.", ["83036"]),
        ("PLAN:\nRocephin shot was given in the office.", ["J0696"]),
        ("PLAN:\nFlu shot was given today.", ["90656"]),
        ("PROCEDURE:\nKnee injection: the right knee was injected with Kenalog.", ["20610", "J3301"]),
        ("PLAN:\nSmoking cessation counseling for 5 minutes.", ["99406"]),
        ("PLAN:\nPHQ-9 score 12.", ["96127"]),
    ],
)
def test_what_was_done(text: str, codes: list[str]) -> None:
    assert sorted(services(text)) == sorted(codes)


@pytest.mark.parametrize(
    "text",
    [
        "PLAN:\nWe will order an EKG today.",
        "PLAN:\nWe are going to repeat an ECG in the office today.",
        "HPI: She had an EKG at the emergency department.",
        "HPI: He was given a cortisone knee injection.",
        "HPI: Knee injection was performed 3 months ago.",
        "PSH:\nKnee injection was performed.",
        "RESULTS:\nX-rays of the knee from an outside facility were reviewed.",
        "RESULTS:\nX-ray of the knee shows osteoarthritis.",
        "PLAN:\nReferral for colonoscopy. Schedule a skin biopsy.",
        "PLAN:\nShe declined the flu shot today.",
        "RESULTS:\nHome COVID test was positive.",
        "PLAN:\nThe patient was counseled on diet.",
        "PLAN:\nMMR titer performed today.",
    ],
)
def test_what_was_not_done_here_and_now(text: str) -> None:
    assert services(text) == []


def test_the_words_of_a_term_stand_together() -> None:
    apart = "RESULTS:\nThe rhythm on auscultation today was regular, and after some rest an ECG was done today."
    assert services(apart) == ["93000"]


def test_each_service_once_with_its_sentence() -> None:
    text = "RESULTS:\nECG today is normal.\nPLAN:\nThe ECG done today was explained."
    note = document(text)
    found = done(note, TERMS)
    assert [s.sentence.of(text) for s in found] == ["ECG today is normal."]
    asked = procedure_questions(note, found, 7)
    assert [(q.id, q.system, q.context) for q in asked] == [(7, System.CPT, "ECG today is normal.")]


def test_nothing_by_hand_through_a_screen() -> None:
    text = "PLAN:\nECG today was normal. Smoking cessation counseling for 5 minutes."
    assert services(text, Encounter(modality="video")) == ["99406"]


def test_a_hospital_bills_its_own_equipment() -> None:
    read = "RESULTS:\nECG interpreted by me shows sinus rhythm."
    unread = "RESULTS:\nECG today shows sinus rhythm."
    emergency = Encounter(setting="emergency")
    assert services(read, emergency) == ["93000"]
    assert services(unread, emergency) == []
    assert services("PLAN:\nRocephin shot was given in the ED.", emergency) == []


def answer(code: str, probability: float = 0.9, none: float = 0.05) -> Answer:
    known = TABLE.get(code)
    assert known is not None
    candidate = Candidate(code, known.system, known.description, 1.0, ("lexicon",), True)
    return Answer(0, (Judged(candidate, probability),), none, "lexicon")


def decided(text: str, code: str, *told: tuple[str, str], visit: Encounter = OFFICE, none: float = 0.05) -> Procedure:
    known = TABLE.get(code)
    assert known is not None
    service = Done(known.terms[0], Span(0, len(text)), known.kind)
    diagnoses = [diagnosis(c, Span(0, 1), words, n) for n, (c, words) in enumerate(told, 1)]
    (found,) = decide_procedures([service], [answer(code, none=none)], document(text), diagnoses, TABLE, visit)
    return found


def test_sides() -> None:
    assert decided("The right knee was injected.", "20610").modifiers == ("RT",)
    assert decided("The left knee was injected.", "20610").modifiers == ("LT",)
    assert decided("Both knees were injected.", "20610").modifiers == ("50",)
    assert decided("The knee was injected.", "20610").modifiers == ()


def test_none_of_the_candidates() -> None:
    service = Done("knee injection", Span(0, 5), "injection")
    assert decide_procedures([service], [answer("20610", 0.3, 0.6)], document("Knee."), (), TABLE) == ()


def test_interpretation_alone_in_a_facility() -> None:
    ed = Encounter(place_of_service="23")
    assert decided("ECG interpreted by me.", "93000", visit=ed).code == "93010"
    chest = decided("Chest x-ray interpreted by me.", "71046", visit=ed)
    assert (chest.code, chest.modifiers) == ("71046", ("26",))
    assert decided("ECG interpreted by me.", "93000").code == "93000"


def test_telehealth_modifiers() -> None:
    assert decided("Counselled 5 minutes.", "99406", visit=Encounter(modality="audio")).modifiers == ("93",)


@pytest.mark.parametrize(
    ("said", "code", "expected"),
    [
        ("Ceftriaxone 1 g IM was given.", "J0696", 4),
        ("Rocephin 500 mg was given.", "J0696", 2),
        ("Rocephin 300 mg was given.", "J0696", 2),
        ("Rocephin was given.", "J0696", 1),
        ("Rocephin 3 mL was given.", "J0696", 1),
        ("Bicillin 1.2 million units was given.", "J0561", 12),
        ("Bicillin 600,000 units was given.", "J0561", 6),
        ("Took ibuprofen 600 mg at home; Rocephin 250 mg was given.", "J0696", 1),
    ],
)
def test_units_of_a_drug(said: str, code: str, expected: int) -> None:
    known = TABLE.get(code)
    assert known is not None
    term = next((t for t in known.terms if t.split()[0] in said.lower()), known.terms[0])
    assert units(known, said, term) == expected


def test_units_stay_within_reason() -> None:
    code = ProcedureCode("J0000", System.HCPCS, "A drug, 0.01 mg", ("drug",), "drug", frozenset({"dose"}))
    assert units(code, "drug 5 g", "drug") == 999
    plain = ProcedureCode("93000", System.CPT, "ECG, 5 mg", ("ecg",), "test")
    assert units(plain, "50 mg", "ecg") == 1


def test_pointers_follow_the_reason() -> None:
    told = [
        diagnosis("I10", description="Essential hypertension", sequence=1),
        diagnosis("J02.0", description="Streptococcal pharyngitis", sequence=2),
        diagnosis("W19.XXXA", description="Unspecified fall", sequence=3),
    ]
    assert pointers("87880", "rapid strep", told) == (2,)
    assert pointers("93000", "ecg", told) == (1,)
    assert pointers("99999", "fall", told) == (1,)
    assert pointers("99999", "nothing", ()) == ()


def test_pointers_are_at_most_four_and_of_the_list() -> None:
    told = [diagnosis(f"M17.{n}", description="Osteoarthritis of knee", sequence=n) for n in range(1, 8)]
    assert pointers("20610", "knee osteoarthritis injection", told) == (1, 2, 3, 4)


CLAIM = [
    ("S93.401A", "Sprain of unspecified ligament of right ankle"),
    ("R07.9", "Chest pain, unspecified"),
    ("I10", "Essential (primary) hypertension"),
    ("Z12.31", "Encounter for screening mammogram for malignant neoplasm of breast"),
    ("Z23", "Encounter for immunization"),
    ("F17.210", "Nicotine dependence, cigarettes, uncomplicated"),
    ("E11.9", "Type 2 diabetes mellitus without complications"),
    ("Z13.220", "Encounter for screening for lipoid disorders"),
    ("Z30.430", "Encounter for insertion of intrauterine contraceptive device"),
    ("M17.12", "Unilateral primary osteoarthritis, left knee"),
    ("M17.11", "Unilateral primary osteoarthritis, right knee"),
    ("Z12.11", "Encounter for screening for malignant neoplasm of colon"),
    ("D12.3", "Benign neoplasm of transverse colon"),
    ("H61.22", "Impacted cerumen, left ear"),
    ("Z00.00", "Encounter for general adult medical examination"),
    ("F32.1", "Major depressive disorder, single episode, moderate"),
    ("M81.0", "Age-related osteoporosis without current pathological fracture"),
]


@pytest.mark.parametrize(
    ("code", "said", "expected"),
    [
        ("93000", "EKG for chest pain was done", {"R07.9"}),
        ("93000", "ECG today is normal", {"R07.9", "I10"}),  # never the ankle
        ("73610", "X-rays of the right ankle", {"S93.401A"}),
        ("77067", "mammogram done", {"Z12.31"}),
        ("90471", "flu shot given", {"Z23"}),
        ("90686", "flu shot given", {"Z23"}),
        ("99406", "cessation counseling for 5 minutes", {"F17.210"}),
        ("83036", "A1c was 7.4", {"E11.9"}),
        ("80061", "lipid screening done", {"Z13.220"}),
        ("58300", "IUD inserted", {"Z30.430"}),
        ("J7298", "Mirena was inserted", {"Z30.430"}),
        ("20610", "the right knee was injected", {"M17.11"}),
        ("20610", "the left knee was injected", {"M17.12"}),
        ("45385", "polyp of the transverse colon removed", {"D12.3"}),
        ("45385", "polypectomy", {"Z12.11", "D12.3"}),
        ("69210", "cerumen removed from the left ear", {"H61.22"}),
        ("96127", "PHQ-9 score 12", {"Z00.00", "F32.1"}),
        ("J0897", "Prolia was given", {"M81.0"}),
    ],
)
def test_each_service_points_to_what_it_is_for(code: str, said: str, expected: set[str]) -> None:
    told = [diagnosis(c, description=words, sequence=n) for n, (c, words) in enumerate(CLAIM, 1)]
    told = [replace(one, role=Role.ASSESSED) for one in told]
    assert {told[n - 1].code for n in pointers(code, said, told)} == expected


def test_a_diagnosis_of_the_other_side_stands_where_there_is_no_other() -> None:
    left = diagnosis("M17.12", description="Unilateral primary osteoarthritis, left knee")
    assert pointers("20610", "the right knee was injected", [left]) == (1,)


def test_a_table_row_is_not_hidden_by_one_before_it() -> None:
    starts = [start for row in rows("procedure_reasons.tsv") for start in row["codes"].split("|")]
    assert [s for n, s in enumerate(starts) if s.startswith(tuple(starts[:n]))] == []


def test_tables_name_codes_that_exist() -> None:
    codes = [code.code for code in TABLE.all()]
    for row in rows("procedure_reasons.tsv"):
        for start in row["codes"].split("|"):
            assert any(code.startswith(start) for code in codes), start
    assert justifies("J02.0", "87880")
    assert not justifies("I10", "87880")


@pytest.mark.parametrize(
    ("code", "said", "expected"),
    [
        ("73562", "X-rays of the knee, 2 views, obtained today", "73560"),
        ("73562", "Four-view x-rays of the knee", "73564"),
        ("73562", "X-rays of the knee", "73562"),
        ("12001", "The 3 cm laceration was closed", "12002"),
        ("12001", "Lacerations of 2 cm and 1.5 cm were closed", "12002"),
        ("12001", "The 2.5 cm laceration was closed", "12001"),
        ("17110", "16 warts were frozen", "17111"),
        ("99406", "12 minutes of smoking cessation counseling", "99407"),
        ("99406", "2 minutes of smoking cessation counseling", None),
        ("99406", "smoking cessation counseling", "99406"),
        ("93000", "12 minutes", "93000"),
    ],
)
def test_code_by_number(code: str, said: str, expected: str | None) -> None:
    assert sized(code, said) == expected


def test_ranges_of_a_family_do_not_overlap() -> None:
    table = rows("procedure_sizes.tsv")
    for family in {r["family"] for r in table}:
        ends = [(float(r["from"]), float(r["to"] or "inf")) for r in table if r["family"] == family]
        assert all(low <= high for low, high in ends)
        assert all(one[1] < other[0] for one, other in pairwise(ends))
    assert all(r["code"] in TABLE for r in table)


def test_the_number_decides_among_codes_of_one_service() -> None:
    knee = decided("X-rays of the right knee, 2 views, obtained today.", "73562")
    assert knee.code == "73560"
    assert "by the number stated" in knee.rationale
    assert knee.description == getattr(TABLE.get("73560"), "description", "")
