from __future__ import annotations

import asyncio
from collections.abc import Sequence
from importlib.resources import files

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codeserve.codesets import CodeSets
from codeserve.errors import StageFailed
from codeserve.notes.redaction import Redactor
from codeserve.pipeline import Coded, Judge, Knowledge, Timings, code_note
from codeserve.reasoning.questions import Answer, Candidate, Judged, OpenQuestion, Question
from codeserve.retrieval.lexicon import Lexicon
from codeserve.rules.em import decide_em
from codeserve.rules.encounter import Encounter
from codeserve.rules.mdm_open import MOST, left_open, questions, settle
from codeserve.rules.mdm_problems import plain_kind
from codeserve.rules.procedures import ProcedureTerms
from codeserve.rules.results import Em, OpenItem
from codeserve.rules.tables import rows
from tests.rules.making import document, named

OFFICE = Encounter(setting="office", patient_status="established", age=60)
PLAN = "Continue lisinopril 20 mg daily."
CHRONIC = f"HPI: Returns.\nASSESSMENT AND PLAN:\n1. Hypertension. {PLAN}"


def counted(text: str, *told: tuple[str, str]) -> Em:
    em = decide_em(document(text), named(text, *told), (), OFFICE)
    assert em is not None
    return em


def asked(said: str, code: str = "I10") -> list[str]:
    text = f"ASSESSMENT AND PLAN:\n1. Hypertension. {said}"
    return [one.question for one in left_open(counted(text, (code, "Hypertension")))]


def test_a_chronic_illness_is_asked_about_where_no_words_say_its_status() -> None:
    assert asked(PLAN) == ["mdm_status"]
    for said in ("stable.", "At goal.", "Well controlled.", "Worse.", "Blood pressure 162/95."):
        assert asked(said) == []


def test_an_acute_problem_is_asked_about_where_only_the_chapter_tells_its_kind() -> None:
    assert not any("N28.89".startswith(row["stem"]) for row in rows("mdm_problem_kinds.tsv") if len(row["stem"]) > 2)
    assert asked("Ultrasound.", "N28.89") == ["mdm_outcome"]
    assert plain_kind("S93.401A") == "acute_uncomplicated"
    assert asked("Brace.", "S93.401A") == []
    assert asked("Cause is unclear.", "N28.89") == []


@given(st.integers(1, 8))
def test_at_most_three_a_note_in_their_order(number: int) -> None:
    codes = ["I10", "E03.9", "E78.5", "K21.9", "G25.0", "N40.0", "L71.9", "M81.0"][:number]
    text = "ASSESSMENT AND PLAN:\n" + "".join(f"{n}. Problem {n}x. Continue.\n" for n in range(number))
    em = counted(text, *((code, f"Problem {n}x") for n, code in enumerate(codes)))
    assert [one.code for one in left_open(em)] == codes[:MOST]


def test_a_question_holds_the_words_and_what_is_said_about_them() -> None:
    em = counted(CHRONIC, ("I10", "Hypertension"))
    (question,) = questions(document(CHRONIC), left_open(em))
    assert (question.kind, question.term) == ("mdm_status", "Hypertension")
    assert PLAN in question.context


def test_every_question_has_its_template() -> None:
    for row in rows("mdm_questions.tsv"):
        text = files("codeserve").joinpath("prompts", f"{row['question']}.txt").read_text(encoding="utf-8")
        assert "{context}" in text
        assert "{term}" in text
        assert text.endswith("Answer:\n")


@given(st.floats(0, 1), st.floats(0.5, 1))
def test_only_an_answer_above_the_threshold_settles(sure: float, threshold: float) -> None:
    item = OpenItem("I10", "mdm_status", document("x").sections[0].span, ())
    assert settle([item], [sure], threshold) == ({"I10": "exacerbation"} if sure >= threshold else {})


def test_a_settled_problem_moves_the_level_and_says_who_decided_on_what() -> None:
    diagnoses = named(CHRONIC, ("I10", "Hypertension"))
    before = decide_em(document(CHRONIC), diagnoses, (), OFFICE)
    after = decide_em(document(CHRONIC), diagnoses, (), OFFICE, settled={"I10": "exacerbation"})
    assert before is not None
    assert after is not None
    assert (before.code, after.code) == ("99213", "99214")
    (item,) = after.problems.items
    assert (item.kind, item.decided_by) == ("exacerbation", "llm")
    assert any(PLAN in span.of(CHRONIC) for span in item.evidence)
    assert before.problems.items[0].decided_by == "rules"
    assert after.problems.open == ()


class Model:
    """Answers every open question with `sure`; keeps what it was asked."""

    def __init__(self, sure: float = 0.0, fails: bool = False) -> None:
        self.asked: list[Sequence[OpenQuestion]] = []
        self.sure, self.fails = sure, fails

    async def judge(self, questions: Sequence[OpenQuestion]) -> list[float]:
        self.asked.append(questions)
        if self.fails:
            raise StageFailed("the LLM engine failed")
        return [self.sure] * len(questions)


@pytest.fixture(scope="module")
def knowledge(codesets: CodeSets) -> Knowledge:
    def encode(_: str) -> tuple[list[int], list[tuple[int, int]]]:
        raise AssertionError("nothing is tagged here")

    terms = ProcedureTerms(codesets.procedures)
    return Knowledge(Redactor(), encode, codesets, Lexicon.load(), terms, mdm_threshold=0.8)


def code(text: str, knowledge: Knowledge, judge: Judge | None) -> Coded:
    async def reason(questions: Sequence[Question]) -> list[Answer]:
        known = {"hypertension": "I10", "influenza": "J11.1", "hypothyroidism": "E03.9"}
        return [
            Answer(
                q.id, (Judged(Candidate(known[q.term.lower()], q.system, q.term, 1.0, ("lexicon",)), 0.97),), 0.0, "llm"
            )
            for q in questions
        ]

    return asyncio.run(code_note(text, (), OFFICE, knowledge, None, reason, Timings(), judge))


def em_code(coded: Coded) -> str:
    assert coded.em is not None
    return coded.em.code


def test_a_sure_yes_moves_the_visits_code_and_another_answer_does_not(knowledge: Knowledge) -> None:
    assert em_code(code(CHRONIC, knowledge, Model(0.81).judge)) == "99214"
    assert em_code(code(CHRONIC, knowledge, Model(0.79).judge)) == "99213"


def test_without_the_setting_nothing_is_asked(knowledge: Knowledge) -> None:
    assert em_code(code(CHRONIC, knowledge, None)) == "99213"


def test_nothing_is_asked_where_no_answer_could_change_the_code(knowledge: Knowledge) -> None:
    model = Model(1.0)
    two = CHRONIC + "\n2. Hypothyroidism. Continue levothyroxine 50 mcg daily."
    assert em_code(code(two, knowledge, model.judge)) == "99214"
    assert em_code(code(CHRONIC.replace(PLAN, "Stable. " + PLAN), knowledge, model.judge)) == "99213"
    assert model.asked == []


def test_all_that_is_open_is_asked_in_one_call(knowledge: Knowledge) -> None:
    model = Model(0.0)
    code(CHRONIC, knowledge, model.judge)
    assert [len(questions) for questions in model.asked] == [1]


def test_a_failed_call_is_an_error(knowledge: Knowledge) -> None:
    with pytest.raises(StageFailed):
        code(CHRONIC, knowledge, Model(fails=True).judge)
