from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codeserve.notes.document import SectionKind
from codeserve.notes.spans import Span
from codeserve.rules.encounter import Encounter
from codeserve.rules.levels import LEVELS, highest, rank, two_of_three
from codeserve.rules.mdm import assess
from codeserve.rules.mdm_data import data_level, find_tests
from codeserve.rules.mdm_problems import plain_kind
from codeserve.rules.reading import PLACES, pattern
from codeserve.rules.results import Element
from codeserve.rules.tables import rows
from codeserve.tagging.entities import Entity, EntityKind
from tests.rules.making import diagnosis, document, named, procedure

level = st.sampled_from(LEVELS)
kind = st.sampled_from(
    ["ordered", "reviewed", "external_note", "historian", "prescription_monitoring", "interpretation", "discussion"]
)
UNTOLD = Encounter()


def elements(text: str, *told: tuple[str, str], encounter: Encounter = UNTOLD) -> tuple[Element, Element, Element]:
    return assess(document(text), (), named(text, *told), encounter)


def problem(said: str, code: str = "I10", setting: str = "office") -> str:
    text = f"ASSESSMENT AND PLAN:\n1. Hypertension: {said}\n2. Something else. It is worsening."
    return elements(text, (code, "Hypertension"), encounter=Encounter(setting=setting))[0].items[0].kind


def data(text: str, age: int | None = None) -> list[str]:
    return [item.kind for item in elements(text, encounter=Encounter(age=age))[1].items]


def risks(plan: str, **told: str) -> set[str]:
    return {i.kind for i in elements(f"ASSESSMENT AND PLAN:\n1. Gout. {plan}", encounter=Encounter(**told))[2].items}


@given(level, level, level, level)
def test_two_of_three_is_monotone_and_the_median(one: str, two: str, three: str, more: str) -> None:
    found = two_of_three(one, two, three)
    assert found == sorted((one, two, three), key=rank)[1]
    assert rank(two_of_three(highest([one, more]), two, three)) >= rank(found)


@given(st.lists(kind, max_size=8), kind)
def test_one_more_item_of_data_never_lowers_the_level(kinds: list[str], more: str) -> None:
    assert rank(data_level([*kinds, more])) >= rank(data_level(kinds))


@given(st.lists(st.sampled_from([r["stem"] for r in rows("mdm_problem_kinds.tsv")]), min_size=1, max_size=6), st.data())
def test_one_more_problem_never_lowers_the_level(codes: list[str], draw: st.DataObject) -> None:
    text = "ASSESSMENT:\nThings.\n"
    all_of_them = [diagnosis(code, Span(12, 18)) for code in codes]
    fewer = all_of_them[: draw.draw(st.integers(0, len(codes)))]
    note = document(text)
    of_all, of_fewer = (assess(note, (), those, Encounter())[0] for those in (all_of_them, fewer))
    assert rank(of_all.level) >= rank(of_fewer.level)


@given(
    st.lists(
        st.sampled_from(
            [
                "Order CBC.",
                "Order TSH.",
                "Start lisinopril 10 mg daily.",
                "Admit to the ICU.",
                "Take ibuprofen as needed.",
                "Discussed with Dr. Lee.",
            ]
        ),
        max_size=6,
    ),
    st.integers(0, 6),
)
def test_one_more_sentence_never_lowers_data_or_risk(sentences: list[str], cut: int) -> None:
    def levels(those: list[str]) -> tuple[int, int]:
        _, amount, risk = elements("ASSESSMENT AND PLAN:\n1. Gout. " + " ".join(those))
        return rank(amount.level), rank(risk.level)

    fewer, all_of_them = levels(sentences[:cut]), levels(sentences)
    assert all_of_them[0] >= fewer[0]
    assert all_of_them[1] >= fewer[1]


def test_status_words_of_a_problem() -> None:
    assert problem("stable.") == "stable_chronic"
    assert problem("uncontrolled, above goal.") == "exacerbation"
    assert problem("blood pressure remains elevated.") == "exacerbation"
    assert problem("not at goal.") == "exacerbation"
    assert problem("stable. Call if it gets worse.") == "stable_chronic"
    assert problem("no side effects, no worsening.") == "stable_chronic"
    assert problem("hypertensive emergency.") == "severe_exacerbation"
    assert problem("followed by cardiology.") == "not_addressed"
    assert problem("followed by cardiology. Continue losartan.") == "stable_chronic"


def test_setting_makes_an_exacerbation_severe() -> None:
    assert problem("with exacerbation.", "J44.1", "office") == "exacerbation"
    assert problem("with exacerbation.", "J44.1", "inpatient") == "severe_exacerbation"


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("I10", "stable_chronic"),
        ("I21.4", "threat"),
        ("J00", "self_limited"),
        ("J18.9", "systemic"),
        ("S82.841A", "complicated_injury"),
        ("S93.401A", "acute_uncomplicated"),
        ("R22.1", "uncertain_prognosis"),
        ("Z00.00", "administrative"),
        ("E11.65", "exacerbation"),
        ("E11.9", "stable_chronic"),
        ("M25.561", "acute_uncomplicated"),
    ],
)
def test_kind_by_code(code: str, kind: str) -> None:
    assert plain_kind(code) == kind


def test_codes_of_one_disease_are_one_problem() -> None:
    text = "ASSESSMENT:\n1. Diabetes with neuropathy and nephropathy."
    one = elements(text, ("E11.42", "Diabetes"), ("E11.21", "nephropathy"))[0]
    two = elements(text, ("E11.42", "Diabetes"), ("N18.30", "nephropathy"))[0]
    assert (one.level, two.level) == ("low", "moderate")


def test_external_causes_are_no_problems() -> None:
    note = document("ASSESSMENT:\nAnkle sprain after a fall.")
    told = [diagnosis("S93.401A", Span(12, 24)), diagnosis("W19.XXXA", Span(33, 37), sequence=2)]
    assert len(assess(note, (), told, Encounter())[0].items) == 1


def test_each_unique_test_counts_once() -> None:
    text = "RESULTS:\nCBC normal. A1c 7.0%.\nASSESSMENT AND PLAN:\n1. Anemia. Order CBC, CMP and x-rays of the knee."
    told = elements(text)[1]
    found = sorted(item.message.split(": ")[1] for item in told.items)
    assert found == ["A1c", "X-ray (knee)", "blood count", "metabolic panel"]


def test_body_parts_tell_images_apart() -> None:
    assert [t.name for t in find_tests("MRI of the brain and MRI of the lumbar spine")] == ["MRI (head)", "MRI (back)"]
    assert [t.name for t in find_tests("chest x-ray")] == ["X-ray (chest)"]
    assert [t.name for t in find_tests("an act of extraction")] == []


def test_labs_count_only_where_no_test_is_named() -> None:
    assert data("PLAN:\nOrder labs.") == ["ordered"]
    assert data("PLAN:\nOrder labs: TSH.") == ["ordered"]
    assert data("PLAN:\nOrder labs: TSH and CBC.") == ["ordered", "ordered"]


def test_what_is_not_ordered_or_reviewed() -> None:
    assert data("ASSESSMENT AND PLAN:\n1. Knee pain. No x-ray needed.") == []
    assert data("ASSESSMENT AND PLAN:\n1. Knee pain. Consider MRI.") == []
    assert data("ASSESSMENT AND PLAN:\n1. Knee pain. If no better, order an MRI.") == []
    assert data("HPI: She had a colonoscopy 5 years ago that was normal.") == []
    assert data("MEDICATIONS:\nlisinopril; check potassium") == []


def test_a_test_that_the_visit_bills_does_not_count() -> None:
    text = "RESULTS:\nECG shows sinus rhythm. Troponin negative.\nPLAN:\nI personally interpreted the ECG."
    note = document(text)
    ecg = procedure("93000", description="Electrocardiogram with 12 leads, tracing and interpretation")
    strip = procedure("84484", description="Troponin, measured")
    assert [i.kind for i in assess(note, (), (), Encounter())[1].items] == ["reviewed", "reviewed", "interpretation"]
    assert [i.kind for i in assess(note, (), (), Encounter(), [ecg])[1].items] == ["reviewed"]
    assert len(assess(note, (), (), Encounter(), [ecg, strip])[1].items) == 1


def test_historians() -> None:
    assert data("HPI: History was obtained from his wife.") == ["historian"]
    assert data("HPI: Mother reports fever.", age=4) == ["historian"]
    assert data("HPI: Mother reports fever.", age=40) == []
    assert data("FAMILY HISTORY:\nMother reports diabetes.", age=4) == []


def test_notes_and_discussions() -> None:
    assert data("HPI: I reviewed the discharge summary.") == ["external_note"]
    assert data("PLAN:\nPDMP reviewed.") == ["prescription_monitoring"]
    assert data("PLAN:\nDiscussed with the cardiologist.") == ["discussion"]
    assert data("PLAN:\nDiscussed with the patient and his wife.") == []


def test_decisions_on_drugs() -> None:
    assert risks("Start allopurinol 100 mg daily.") == {"prescription"}
    assert risks("Allopurinol 100 mg daily, recheck in a month.") == {"prescription"}
    assert risks("Continue current medications.") == {"prescription"}
    assert risks("Prescribed ibuprofen 800 mg three times daily.") >= {"prescription"}
    assert "prescription" not in risks("Take ibuprofen as needed.")
    assert "prescription" not in risks("He declines to start allopurinol.")
    assert "prescription" not in risks("If it recurs, we will start allopurinol.")
    assert risks("His routine includes exercise and a balanced medicine of sleep.") == set()


def test_a_drug_list_is_no_decision() -> None:
    text = "MEDICATIONS:\nContinue lisinopril 10 mg daily\nASSESSMENT:\n1. Gout."
    assert elements(text)[2].level == "straightforward"


def test_drugs_that_only_the_tagger_knows() -> None:
    text = "PLAN:\nStart zorvexamab next week. Start fluids."
    note = document(text)

    def tagged(word: str, score: float) -> Entity:
        at = text.index(word)
        return Entity(EntityKind.MEDICATION, Span(at, at + len(word)), word, score, SectionKind.PLAN)

    assert assess(note, [tagged("zorvexamab", 0.9)], (), Encounter())[2].level == "moderate"
    assert (
        assess(note, [tagged("zorvexamab", 0.2), tagged("fluids", 0.9)], (), Encounter())[2].level == "straightforward"
    )


def test_surgery_and_hospital() -> None:
    assert risks("Recommend right shoulder steroid injection.") >= {"minor_surgery"}
    assert risks("We will proceed with total knee replacement.") == {"major_surgery"}
    assert "emergency_surgery" in risks("Emergent appendectomy tonight.")
    assert risks("Will admit to the hospital.") == {"hospitalisation"}
    assert risks("No need to admit to the hospital.") == set()
    assert risks("Admitted for observation.", setting="emergency") >= {"hospitalisation"}
    assert risks("Admitted last month for gout.", setting="office") == set()


def test_high_risks() -> None:
    assert risks("Continue IV morphine 4 mg every 4 hours.") >= {"parenteral_controlled"}
    assert risks("Continue methotrexate, monitoring for toxicity with CBC.") >= {"toxicity"}
    assert risks("The family decided on hospice.") == {"dnr"}
    assert risks("He is uninsured and cannot afford colchicine.") >= {"sdoh"}


def test_a_line_break_in_running_text_cuts_no_sentence() -> None:
    wrapped = "HPI: The history was for the most part obtained this time from\nhis wife, who is here with him."
    assert data(wrapped) == ["historian"]
    listed = "PLAN:\n- a complete blood count will be drawn here this afternoon\n- lipid panel"
    assert data(listed) == ["ordered", "ordered"]


def test_a_list_on_the_line_of_its_heading_ends_there() -> None:
    text = "Meds: lisinopril 20 mg daily.\nChest x-ray: no infiltrate.\nASSESSMENT:\n1. Gout."
    assert data(text) == ["reviewed"]
    assert elements(text)[2].level == "straightforward"


def test_a_plan_orders_by_naming() -> None:
    assert data("PLAN:\n- CBC with differential\n- Ultrasound of the neck") == ["ordered", "ordered"]
    assert data("PLAN:\n- CBC was not needed\n- A1c goal under 7") == []
    assert risks("Allopurinol 100 mg daily.") == {"prescription"}
    assert "prescription" not in risks("Allopurinol has caused a rash.")


def test_each_source_counts_once() -> None:
    text = "HPI: I reviewed the cardiology note, the nephrology consultation and the cardiology note of May."
    assert data(text) == ["external_note", "external_note"]
    assert data("HPI: I reviewed my last note.") == []


def test_a_test_that_the_note_says_the_practice_bills() -> None:
    text = "EXAM: ECG recorded here and billed by this office, interpreted by me: sinus rhythm.\nASSESSMENT:\n1. Gout."
    assert data(text) == []


def test_historians_of_patients_who_cannot_tell() -> None:
    assert data("HPI: She is confused. Her daughter says that she fell.") == ["historian"]
    assert data("HPI: Her daughter says that she snores.") == []


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ("BP 156/92 at home.", "exacerbation"),
        ("BP 126/72 at home.", "stable_chronic"),
        ("BP 156/92 today, well controlled at home.", "stable_chronic"),
        ("partly controlled.", "exacerbation"),
        ("acute and uncomplicated.", "acute_uncomplicated"),
        ("danger of losing the leg.", "stable_chronic"),
        ("acute danger to life.", "threat"),
        ("not discussed today.", "not_addressed"),
    ],
)
def test_status_by_values_and_plain_words(said: str, kind: str) -> None:
    assert problem(said) == kind


def test_monitoring_once_a_year_is_not_intensive() -> None:
    assert "toxicity" in risks("Continue methotrexate. CBC and LFTs every 8 weeks.")
    assert "toxicity" not in risks("Continue methotrexate. CBC and LFTs once a year.")


def test_words_of_every_table_compile_and_every_need_is_named() -> None:
    for table in ("mdm_problem_cues.tsv", "mdm_data_cues.tsv", "mdm_risk_cues.tsv", "mdm_not_counted.tsv"):
        for row in rows(table):
            assert isinstance(pattern(row["pattern"].removeprefix("TESTS")), re.Pattern)
    classes = {row["class"] for row in rows("drugs.tsv")} | {row["size"] for row in rows("surgeries.tsv")}
    for row in rows("mdm_risk_cues.tsv"):
        assert row["level"] in LEVELS
        assert not row["needs"] or row["needs"] in classes
    for name in ("mdm_data_cues.tsv", "mdm_risk_cues.tsv"):
        assert {row["sections"] for row in rows(name)} <= set(PLACES)
    assert all(row["at_least"] or row["at_most"] for row in rows("mdm_goals.tsv"))
    kinds = {r["kind"] for r in rows("mdm_problem_levels.tsv")}
    assert {r["kind"] for r in rows("mdm_problem_kinds.tsv")} <= kinds
    for row in rows("mdm_problem_cues.tsv"):
        assert {row["kind"], *filter(None, row["fits"].split("|"))} <= kinds
