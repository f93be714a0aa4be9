"""From notes to diagnoses with the lexicon alone: what the tagger finds is played by the lexicon's own phrases."""

from __future__ import annotations

import pytest

from codeserve.codesets import CodeSets
from codeserve.notes.prepare import prepare
from codeserve.notes.redaction import Redactor
from codeserve.notes.sentences import split_sentences
from codeserve.notes.spans import Span
from codeserve.reasoning.calibration import Calibrator
from codeserve.reasoning.judge import from_lexicon
from codeserve.reasoning.questions import Answer, Candidate, System
from codeserve.retrieval.lexicon import Lexicon
from codeserve.rules import details
from codeserve.rules.combinations import explained, history_code
from codeserve.rules.diagnoses import decide
from codeserve.rules.encounter import Encounter
from codeserve.rules.external_causes import external_causes
from codeserve.rules.problems import Problem, find_problems, questions
from codeserve.rules.results import Diagnosis, Role
from codeserve.rules.services import ProcedureTerms, done
from codeserve.tagging.assertion import assert_entities
from codeserve.tagging.entities import Entity, EntityKind

CALIBRATOR = Calibrator.load()


class Coder:
    def __init__(self, codesets: CodeSets, lexicon: Lexicon, redactor: Redactor) -> None:
        self.codesets, self.lexicon, self.redactor = codesets, lexicon, redactor
        self.terms = ProcedureTerms(codesets.procedures)

    def problems(self, text: str, encounter: Encounter) -> tuple[Problem, ...]:
        self.document = prepare(text, (), self.redactor)
        found = [
            Entity(EntityKind.PROBLEM, span, span.of(self.document.text), 1.0)
            for span, _ in self.lexicon.scan(self.document.text)
        ]
        sentences = split_sentences(self.document.text, self.document.sections)
        entities = assert_entities(self.document, found, sentences)
        return find_problems(self.document, entities, encounter, self.lexicon.scan)

    def code(self, text: str, encounter: Encounter = Encounter()) -> tuple[Diagnosis, ...]:  # noqa: B008
        problems = self.problems(text, encounter)
        answers = [self._answer(question) for question in questions(problems, self.document, encounter)]
        services = done(self.document, self.terms, encounter)
        return decide(problems, answers, self.document, encounter, self.codesets, services)

    def _answer(self, question) -> Answer:  # type: ignore[no-untyped-def]
        hits = self.lexicon.lookup(question.term, question.context)
        candidates = [
            Candidate(concept.key, System.ICD10CM, concept.description, 1.0, ("lexicon",), hit.certain)
            for hit in hits
            for concept in self.codesets.concepts.by_stem(hit.code)
        ]
        return from_lexicon(question, candidates, CALIBRATOR) if candidates else Answer(question.id, (), 1.0, "lexicon")


@pytest.fixture(scope="session")
def coder(codesets: CodeSets, lexicon: Lexicon, redactor: Redactor) -> Coder:
    return Coder(codesets, lexicon, redactor)


@pytest.mark.parametrize(
    ("assessment", "codes"),
    [
        ("1. Hypertension, stable\n2. Hypothyroidism\n", ["I10", "E03.9"]),
        ("Hypertension and hyperlipidemia.\n", ["I10", "E78.5"]),
        ("#HTN: continue lisinopril\n#COPD - stable\n", ["I10", "J44.9"]),
        ("1. Right knee pain\n", ["M25.561"]),
        ("1. Bilateral knee pain\n", ["M25.561", "M25.562"]),
        ("1. COPD with acute exacerbation\n", ["J44.1"]),
        ("1. Congestive heart failure\n2. Hypertension\n", ["I11.0", "I50.9"]),
        ("1. Hypertension\n2. Chronic kidney disease stage 4\n", ["I12.9", "N18.4"]),
        ("1. Left foot pain, due to plantar fasciitis\n", ["M72.2"]),
        ("1. Left shoulder pain, likely rotator cuff tear\n", ["M25.512"]),
        ("1. Healthcare maintenance\n2. Gout\n", ["M10.9"]),
        ("1. Kidney stone\n", ["N20.0"]),
        ("1. No evidence of pneumonia\n2. Asthma\n", ["J45.909"]),
    ],
)
def test_the_assessment_becomes_codes(coder: Coder, assessment: str, codes: list[str]) -> None:
    found = coder.code(f"ASSESSMENT AND PLAN\n{assessment}")
    assert sorted(d.code for d in found if d.role is Role.ASSESSED) == sorted(codes)


def test_an_inpatient_keeps_what_is_probable(coder: Coder) -> None:
    text = "ASSESSMENT AND PLAN\n1. Fever, probable pneumonia\n"
    assert "J18.9" not in [d.code for d in coder.code(text)]
    assert "J18.9" in [d.code for d in coder.code(text, Encounter(setting="inpatient"))]


def test_the_side_is_found_in_another_section_and_cited(coder: Coder) -> None:
    found = coder.code("HPI\nFell on the left wrist.\n\nASSESSMENT\n1. Wrist sprain\n\nPLAN\nSplint.\n")
    sprain = next(d for d in found if d.role is Role.ASSESSED)
    assert sprain.code == "S63.502A"
    assert "left" in [span.of(coder.document.text).lower() for span in sprain.evidence]


def test_what_is_past_becomes_a_history_code(coder: Coder) -> None:
    (only,) = coder.code("ASSESSMENT\n1. History of breast cancer\n")
    assert (only.code, only.role) == ("Z85.3", Role.STATUS)


def test_an_injury_brings_its_cause_and_a_disease_does_not(coder: Coder) -> None:
    story = "HPI\nShe slipped on ice in front of her house and fell.\n\n"
    injured = coder.code(f"{story}ASSESSMENT\n1. Right ankle sprain\n")
    assert injured[0].code == "S93.401A"
    assert [d.code for d in injured if d.role is Role.EXTERNAL_CAUSE] == ["W00.0XXA", "Y92.018"]
    assert not [d for d in coder.code(f"{story}ASSESSMENT\n1. Gout\n") if d.role is Role.EXTERNAL_CAUSE]


def test_a_healing_injury_is_a_subsequent_encounter_without_a_cause(coder: Coder) -> None:
    found = coder.code("HPI\nHe fell last month.\n\nASSESSMENT\n1. Right wrist fracture, healing well\n")
    assert found[0].code[-1] == "D"
    assert external_causes(coder.document, [found[0].code]) == ()


def test_the_reason_for_the_visit_comes_first(coder: Coder) -> None:
    found = coder.code("CHIEF COMPLAINT\nGout flare\n\nASSESSMENT\n1. Hypertension\n2. Gout\n")
    assert [d.code for d in found] == ["M10.9", "I10"]
    assert [d.sequence for d in found] == [1, 2]


def test_without_an_assessment_the_present_problems_are_coded(coder: Coder) -> None:
    found = coder.code("Patient presents with acute chest pain radiating to left arm. Denies fever.")
    assert [d.code for d in found] == ["R07.9"]


def test_every_code_is_billable_once_and_its_evidence_in_the_text(coder: Coder, codesets: CodeSets) -> None:
    found = coder.code("ASSESSMENT\n1. Sprained ankle\n2. Ankle sprain\n3. Depression and anxiety\n")
    codes = [d.code for d in found]
    assert len(codes) == len(set(codes))
    assert all(codesets.icd.is_billable(code) for code in codes)
    assert all(span.end <= len(coder.document.text) for d in found for span in d.evidence)


class Coded:
    def __init__(self, code: str, group: int = 0) -> None:
        self.code, self.group, self.own_text = code, group, ""


def test_a_symptom_goes_beside_the_diagnosis_that_explains_it() -> None:
    assert explained(Coded("R05.9", 1), [Coded("J44.9", 2)]) == "J44.9"
    assert explained(Coded("R51.9", 1), [Coded("J44.9", 2)]) is None
    assert explained(Coded("R51.9", 1), [Coded("J44.9", 1)]) == "J44.9"
    assert explained(Coded("R07.9", 1), [Coded("I10", 1)]) is None
    assert explained(Coded("M54.9", 1), [Coded("G89.29", 1)]) is None


def test_the_longest_stem_names_the_history() -> None:
    assert history_code("I63.9") == ("Z86.73", "I.C.9.d")
    assert history_code("M80.08XA") == ("Z87.310", "I.C.21.c.4")
    assert history_code("C50.911") == ("Z85.3", "I.C.21.c.4")


def test_every_table_row_names_a_billable_code(codesets: CodeSets) -> None:
    from codeserve.rules.tables import rows

    named = [r["code"].replace("-", "A") for r in rows("external_causes.tsv")]
    named += [r["code"] for t in ("external_activities.tsv", "external_places.tsv") for r in rows(t)]
    named += [r["history"] for r in rows("history_codes.tsv") if r["history"]] + [
        r["result"] for r in rows("combinations.tsv")
    ]
    assert [code for code in named if not codesets.icd.is_billable(code)] == []


@pytest.mark.parametrize(
    ("story", "causes"),
    [
        ("She denies any fall. She twisted her ankle.", ["X50.1XXA"]),
        ("He has pain with walking. He twisted his ankle on a curb.", ["X50.1XXA", "Y92.480"]),
        ("He used to play football in high school. He had a ground level fall.", ["W18.30XA"]),
        ("She was playing tennis. She twisted her ankle. She takes ibuprofen at home.", ["X50.1XXA", "Y93.73"]),
    ],
)
def test_causes_stand_where_the_event_is_told_and_are_not_denied(coder: Coder, story: str, causes: list[str]) -> None:
    coded = coder.code(f"HPI\n{story}\n\nASSESSMENT\n1. Right ankle sprain\n")
    assert [d.code for d in coded if d.role is Role.EXTERNAL_CAUSE] == causes


@pytest.mark.parametrize(
    ("lines", "codes"),
    [
        ("1. Asthma with exacerbation", {"J45.901"}),
        ("1. Type 2 diabetes\n2. Polyneuropathy", {"E11.42"}),
        ("1. Chronic neck pain", {"M54.2", "G89.29"}),
        ("1. History of hypertension, on lisinopril", {"I10"}),
        ("1. Coronary artery disease\n2. Angina", {"I25.119"}),
    ],
)
def test_what_the_classification_joins(coder: Coder, lines: str, codes: set[str]) -> None:
    assert {d.code for d in coder.code(f"HPI\nHere for follow-up.\n\nASSESSMENT\n{lines}\n")} == codes


STAY = Encounter(setting="inpatient", service="discharge", note_type="discharge_summary")


def test_what_resolved_during_a_stay_is_coded_and_what_resolved_before_a_visit_is_history(coder: Coder) -> None:
    listed = "DISCHARGE DIAGNOSES:\n1. Pneumonia of the left upper lobe\n2. Acute kidney injury, resolved\n"
    assert [d.code for d in coder.code(listed, STAY)] == ["J18.9", "N17.9"]
    office = "ASSESSMENT:\n1. Gout\n2. Acute kidney injury, resolved\n"
    assert [d.code for d in coder.code(office, Encounter(setting="office"))] == ["M10.9", "Z87.448"]


@pytest.mark.parametrize(
    ("said", "codes"),
    [
        ("Alzheimer's dementia without behavioral disturbance", ["G30.9", "F02.80"]),
        ("Alzheimer's dementia, late onset, moderate", ["G30.1", "F02.B0"]),
        ("Alzheimer's dementia with agitation", ["G30.9", "F02.811"]),
        ("Alzheimer's disease", ["G30.9"]),
    ],
)
def test_a_dementia_stands_behind_its_disease(coder: Coder, said: str, codes: list[str]) -> None:
    assert [d.code for d in coder.code(f"ASSESSMENT:\n1. {said}\n")] == codes


def test_what_is_lacking_names_no_problem_of_its_own(coder: Coder) -> None:
    note = "IMPRESSION: Laceration of left index finger without foreign body and without damage to the nail.\n"
    assert [d.code for d in coder.code(note) if d.role is Role.ASSESSED] == ["S61.211A"]


@pytest.mark.parametrize(
    ("said", "side"),
    [("Cellulitis L lower leg", "left"), ("ulcer R calf", "right"), ("R/L lung bases", None), ("L4 on RA 97 %", None)],
)
def test_a_capital_letter_before_a_part_is_its_side(said: str, side: str | None) -> None:
    found = details.find("side", said, Span(0, len(said)))
    assert [detail.value for detail in found] == ([side] if side else [])


def test_a_screening_colonoscopy_stays_first_whatever_it_found(coder: Coder) -> None:
    operation = Encounter(note_type="operative")
    note = (
        "PREOPERATIVE DIAGNOSIS: {why}\nPOSTOPERATIVE DIAGNOSIS: Polyp of the sigmoid colon.\n"
        "PROCEDURE PERFORMED: Colonoscopy with removal of a polyp by snare.\n"
    )
    screened = coder.code(note.format(why="Screening for colon cancer."), operation)
    assert [d.code for d in screened] == ["Z12.11", "K63.5"]
    assert [d.code for d in coder.code(note.format(why="Rectal bleeding."), operation)] == ["K63.5"]


def test_weakness_of_an_old_stroke_is_its_sequela(coder: Coder) -> None:
    old = coder.code("ASSESSMENT:\n1. Left hemiplegia due to the old stroke\n")
    assert [d.code for d in old] == ["I69.354"]


def test_a_finding_at_a_routine_examination_changes_its_code(coder: Coder) -> None:
    note = "ASSESSMENT AND PLAN:\n1. Well child check\n2. {found}\n"
    child = Encounter(age=2, service="preventive")
    assert [d.code for d in coder.code(note.format(found="Acute suppurative otitis media, right"), child)] == [
        "Z00.121",
        "H66.001",
    ]
    assert [d.code for d in coder.code("ASSESSMENT AND PLAN:\n1. Well child check\n", child)] == ["Z00.129"]


def test_aftercare_that_is_yet_to_come_is_not_why_the_patient_came(coder: Coder) -> None:
    note = "OPERATION: Left carpal tunnel release.\nShe will return on day 12 for suture removal.\n"
    assert coder.code(note, Encounter(note_type="operative")) == ()
