from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codeserve.errors import StageFailed
from codeserve.reasoning.calibration import Calibrator, Curve
from codeserve.reasoning.judge import blend, from_lexicon, read
from codeserve.reasoning.prompts import Prompter
from codeserve.reasoning.questions import Candidate, OpenQuestion, Question, System
from codeserve.reasoning.reasoner import Reasoner

CALIBRATOR = Calibrator.load()
QUESTION = Question(7, System.ICD10CM, "gout")


def candidate(code: str, score: float = 0.5, certain: bool = False, lexicon: bool = False) -> Candidate:
    sources = ("lexicon",) if lexicon or certain else ("bm25",)
    return Candidate(code, System.ICD10CM, f"title of {code}", score, sources, certain)


@given(st.lists(st.tuples(st.floats(-30, 30), st.floats(0, 1)), min_size=1, max_size=8))
def test_shares_are_a_distribution(judged: list[tuple[float, float]]) -> None:
    shares = blend([candidate(f"A{i}", s) for i, (_, s) in enumerate(judged)], [m for m, _ in judged], CALIBRATOR)
    assert len(shares) == len(judged) + 1
    assert sum(shares) == pytest.approx(1)
    assert min(shares) >= 0


@given(st.lists(st.floats(-20, 20), min_size=2, max_size=6))
def test_of_equal_candidates_the_higher_margin_is_first(margins: list[float]) -> None:
    candidates = [candidate(f"A{i}") for i in range(len(margins))]
    answer = read(QUESTION, candidates, margins, CALIBRATOR)
    best = max(range(len(margins)), key=lambda i: (margins[i], -i))
    assert margins[int(answer.judged[0].candidate.code[1:])] == pytest.approx(margins[best], abs=1e-6)
    assert [j.probability for j in answer.judged] == sorted((j.probability for j in answer.judged), reverse=True)
    assert 0 <= answer.none <= 1


@given(st.floats(0, 1), st.floats(0, 1))
def test_a_curve_keeps_the_order_and_its_bounds(one: float, other: float) -> None:
    curve = Curve(0.8, -0.4, 0.9)
    low, high = sorted((one, other))
    assert 0 <= curve(low) <= curve(high) <= 0.9


def test_the_lexicon_answers_with_its_code_first() -> None:
    answer = from_lexicon(QUESTION, [candidate("A1", 1.0, certain=True), candidate("A2", 0.4)], CALIBRATOR)
    assert (answer.decided_by, answer.judged[0].candidate.code) == ("lexicon", "A1")
    assert answer.judged[0].probability > answer.judged[1].probability
    assert sum(j.probability for j in answer.judged) + answer.none <= 1


class Tokens:
    """A tokenizer of one id a character."""

    class Encoding:
        def __init__(self, ids: list[int]) -> None:
            self.ids = ids

    def encode(self, text: str, add_special_tokens: bool = True) -> Tokens.Encoding:
        known = {" yes": [1], " no": [2]}
        return self.Encoding(known.get(text) or [ord(c) % 500 + 3 for c in text])


class FixedEngine:
    """Margins by the length of the prompt; remembers what it was asked."""

    def __init__(self, fails: bool = False) -> None:
        self.asked: list[list[int]] = []
        self.fails = fails

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    async def check(self) -> None: ...

    async def log_probabilities(
        self, prompts: Sequence[list[int]], answers: Sequence[Sequence[int]]
    ) -> list[tuple[float, ...]]:
        if self.fails:
            raise StageFailed("the LLM engine failed")
        self.asked += prompts
        rest = [(0.0,) * (len(tokens) - 1) for tokens in answers]
        return [(float(len(prompt) % 7), *zeros) for prompt, zeros in zip(prompts, rest, strict=True)]


class Shelf:
    def __init__(self, found: dict[str, tuple[Candidate, ...]]) -> None:
        self.found = found

    def search(self, questions: Sequence[Question], limit: int = 20, dense: bool = True) -> list[tuple[Candidate, ...]]:
        return [self.found[q.term][:limit] for q in questions]


FOUND = {
    "sure": (candidate("A1", 1.0, certain=True), candidate("A2")),
    "open": (candidate("B1", 0.6), candidate("B2", 0.5), candidate("B3", 0.4)),
    "unknown": (),
}


def reasoner(engine: FixedEngine, gate: bool = True) -> Reasoner:
    return Reasoner(Shelf(FOUND), Prompter(Tokens()), engine, CALIBRATOR, max_candidates=2, gate=gate)  # type: ignore[arg-type]


def ask(*terms: str) -> list[Question]:
    return [Question(i, System.ICD10CM, term) for i, term in enumerate(terms)]


def test_the_gate_spares_what_is_certain_and_order_is_kept() -> None:
    engine = FixedEngine()
    answers = asyncio.run(reasoner(engine).answer(ask("open", "sure", "unknown")))
    assert [a.decided_by for a in answers] == ["llm", "lexicon", "lexicon"]
    assert [a.question_id for a in answers] == [0, 1, 2]
    assert len(engine.asked) == 2
    assert answers[2].judged == ()
    assert answers[2].none == 1


def test_without_the_gate_all_are_asked() -> None:
    engine = FixedEngine()
    asyncio.run(reasoner(engine, gate=False).answer(ask("open", "sure")))
    assert len(engine.asked) == 4


def test_a_failed_engine_is_an_error_not_an_empty_answer() -> None:
    with pytest.raises(StageFailed):
        asyncio.run(reasoner(FixedEngine(fails=True)).answer(ask("sure", "open")))


def test_procedures_are_not_put_to_the_llm() -> None:
    engine = FixedEngine()
    answers = asyncio.run(reasoner(engine).answer([Question(0, System.CPT, "open")]))
    assert engine.asked == []
    assert answers[0].judged[0].candidate.code == "B1"


@given(st.text(max_size=400), st.text(min_size=1, max_size=30), st.lists(st.text(max_size=10), max_size=2))
def test_prompts_share_a_prefix_of_whole_blocks_where_the_context_fills_them(
    context: str, term: str, details: list[str]
) -> None:
    prompts = Prompter(Tokens(), block=32).build(  # type: ignore[arg-type]
        Question(0, System.ICD10CM, term, context, tuple(details)), FOUND["open"]
    )
    assert all(whole[: len(prompts.prefix)] == list(prompts.prefix) for whole in prompts.whole())
    bare = Prompter(Tokens(), block=32).build(  # type: ignore[arg-type]
        Question(0, System.ICD10CM, term, "", tuple(details)), FOUND["open"]
    )
    assert len(prompts.prefix) >= len(bare.prefix)
    assert len(prompts.prefix) % 32 == 0 or len(prompts.prefix) == len(bare.prefix)


OPEN = [OpenQuestion("mdm_status", "gout", "Gout. Continue allopurinol."), OpenQuestion("mdm_outcome", "mass", "")]


def test_open_questions_are_one_call_and_their_answers_probabilities() -> None:
    engine = FixedEngine()
    sure = asyncio.run(reasoner(engine).judge(OPEN))
    assert len(engine.asked) == len(sure) == 2
    assert all(0 <= p <= 1 for p in sure)
    assert asyncio.run(reasoner(engine).judge([])) == ()
    assert len(engine.asked) == 2
    with pytest.raises(StageFailed):
        asyncio.run(reasoner(FixedEngine(fails=True)).judge(OPEN))
