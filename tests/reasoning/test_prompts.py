from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, models

from codeserve.errors import SetupError
from codeserve.reasoning.prompts import CANDIDATE_TOKENS, LETTERS, PREFIX_TOKENS, Prompter
from codeserve.reasoning.questions import Candidate, OpenQuestion, Question, System
from tests.tiny_llm import make_tiny_tokenizer

TOKENIZER = make_tiny_tokenizer()
YES_NO_PROMPTER = Prompter(TOKENIZER)
LETTER_PROMPTER = Prompter(TOKENIZER, form=LETTERS)
CANDIDATES = tuple(
    Candidate(code, System.ICD10CM, title, 0.5, ("bm25",))
    for code, title in (("M10.9", "Gout, unspecified"), ("M11.9", "Crystal arthropathy, unspecified " * 9))
)
LONGEST = 512  # max_model_len of the default settings


def question(term: str, context: str = "", details: tuple[str, ...] = ()) -> Question:
    return Question(0, System.ICD10CM, term, context, details)


@given(st.text(max_size=3000), st.text(max_size=3000), st.lists(st.text(max_size=500), max_size=5))
def test_no_note_makes_a_prompt_too_long(term: str, context: str, details: list[str]) -> None:
    prompts = YES_NO_PROMPTER.build(question(term, context, tuple(details)), CANDIDATES)
    assert all(len(whole) <= LONGEST for whole in prompts.whole())
    assert len(prompts.prefix) <= PREFIX_TOKENS + CANDIDATE_TOKENS + 64


@pytest.mark.parametrize("block", [16, 32, 64, 128])
def test_the_shared_part_fills_whole_blocks_of_any_size(block: int) -> None:
    prompts = Prompter(TOKENIZER, block).build(question("gout", "Swollen toe. " * 40), CANDIDATES)
    assert len(prompts.prefix) == max(PREFIX_TOKENS, block)


def test_all_candidates_of_a_question_share_its_prefix_and_end_at_the_answer() -> None:
    prompts = YES_NO_PROMPTER.build(question("gout", "Gout of the toe.", ("acute",)), CANDIDATES)
    texts = [TOKENIZER.decode(whole) for whole in prompts.whole()]
    assert all(text.startswith(TOKENIZER.decode(list(prompts.prefix))) for text in texts)
    assert all(text.endswith("\nAnswer:") for text in texts)
    assert "gout (acute)" in texts[0]
    assert prompts.answers == (YES_NO_PROMPTER.yes, YES_NO_PROMPTER.no)


def test_a_yes_no_margin_is_the_difference_of_the_two_answers() -> None:
    prompts = YES_NO_PROMPTER.build(question("gout"), CANDIDATES)
    assert prompts.margins([(-1.0, -3.0), (-2.0, -0.5)]) == [2.0, -1.5]


def test_letters_list_every_candidate_and_none_of_them_in_one_prompt() -> None:
    prompts = LETTER_PROMPTER.build(question("gout"), CANDIDATES[:1])
    (whole,) = prompts.whole()
    assert TOKENIZER.decode(whole).endswith("\nA. Gout, unspecified\nB. none of these\nAnswer:")
    assert [TOKENIZER.decode([token]) for token in prompts.answers] == [" A", " B"]
    assert prompts.margins([(-0.5, -2.5)]) == [2.0]


def test_a_tokenizer_without_the_answers_is_refused(tmp_path: Path) -> None:
    letters = Tokenizer(models.BPE({character: i for i, character in enumerate(" yesno")}, []))
    with pytest.raises(SetupError, match="yes"):
        Prompter(letters)
    with pytest.raises(SetupError):
        Prompter.load(tmp_path)


@given(st.text(max_size=3000), st.text(max_size=3000))
def test_an_open_question_is_bounded_begins_alike_and_ends_at_the_answer(term: str, context: str) -> None:
    prompt = TOKENIZER.decode(YES_NO_PROMPTER.ask(OpenQuestion("mdm_status", term, context)))
    assert len(YES_NO_PROMPTER.ask(OpenQuestion("mdm_status", term, context))) <= 256
    assert prompt.startswith("Answer yes or no. Does the note say that the condition is worse")
    assert prompt.endswith("\nAnswer:")


def test_an_open_question_names_the_condition_and_what_is_said() -> None:
    prompter = Prompter(TOKENIZER, form=LETTERS)
    prompt = TOKENIZER.decode(prompter.ask(OpenQuestion("mdm_outcome", "lump", "A lump.\nBiopsy.")))
    assert "Is the condition new" in prompt
    assert "Condition: lump\nAnswer:" in prompt
