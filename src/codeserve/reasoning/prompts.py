"""Prompts as token ids, in one of two forms, and what the log-probabilities of their answers mean.

"yes_no": a prompt a candidate, which share their beginning. vLLM's prefix cache shares whole blocks only, so the
context is cut to end the shared part on a block's border. "letters": one prompt that lists the candidates and none of
them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from string import ascii_uppercase

from tokenizers import Tokenizer

from codeserve.errors import SetupError
from codeserve.reasoning.questions import Candidate, OpenQuestion, Question

YES, NO = " yes", " no"
YES_NO, LETTERS = "yes_no", "letters"
NONE_OF_THESE = "none of these"
ANSWER = "Answer:"
PREFIX_TOKENS = 64
TERM_TOKENS = 32  # kept of term and details even where the instruction fills the prefix
CANDIDATE_TOKENS = 28
OPEN_TOKENS = 192  # of a whole prompt about what rules leave open


@lru_cache(maxsize=8)
def template(name: str) -> str:
    """A prompt template of src/codeserve/prompts, without its last line break."""
    return files("codeserve").joinpath("prompts", f"{name}.txt").read_text(encoding="utf-8").rstrip("\n")


@dataclass(frozen=True, slots=True)
class Prompts:
    """`prefix` is shared by all `suffixes`; a prompt is their sum. `answers`: the tokens that may follow each."""

    prefix: tuple[int, ...]
    suffixes: tuple[tuple[int, ...], ...]
    answers: tuple[int, ...]
    form: str = YES_NO

    def whole(self) -> list[list[int]]:
        return [[*self.prefix, *suffix] for suffix in self.suffixes]

    def margins(self, logs: Sequence[Sequence[float]]) -> list[float]:
        """log p(right) - log p(not) of each candidate; `logs` has a row a prompt, a log-probability an answer."""
        if self.form == LETTERS:
            return [log - logs[0][-1] for log in logs[0][:-1]]
        return [yes - no for yes, no in logs]


class Prompter:
    """Builds the prompts of one model. `block` is the engine's KV block in tokens, `form` YES_NO or LETTERS."""

    def __init__(self, tokenizer: Tokenizer, block: int = 32, form: str = YES_NO) -> None:
        self._tokenizer = tokenizer
        self._block = block
        self._most = max(1, PREFIX_TOKENS // block) * block
        self._form = form
        self.yes, self.no = self._single(YES), self._single(NO)
        self._letters = tuple(self._single(f" {letter}") for letter in ascii_uppercase) if form == LETTERS else ()
        head, _, tail = template(form).partition("{context}")
        self._head, self._tail = self._ids(head), tail

    @classmethod
    def load(cls, folder: Path, block: int = 32, form: str = YES_NO) -> Prompter:
        """From the model's folder. Raises SetupError when its tokenizer is missing or cannot answer in one token."""
        try:
            tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        except Exception as error:  # the library raises a bare Exception for a missing or broken file
            raise SetupError(f"the reasoner's tokenizer cannot be read ({type(error).__name__})") from None
        return cls(tokenizer, block, form)

    def build(self, question: Question, candidates: Sequence[Candidate]) -> Prompts:
        """The prompts of one question, of bounded length whatever the note says; the context keeps its beginning."""
        named = question.term if not question.details else f"{question.term} ({', '.join(question.details)})"
        tail = self._ids(self._tail.replace("{term}", named))[: max(self._most - len(self._head), TERM_TOKENS)]
        context = self._around(question)
        fixed = len(self._head) + len(tail)
        whole = min(self._most, fixed + len(context)) // self._block * self._block
        room = max(0, max(whole, fixed) - fixed)
        prefix = (*self._head, *context[:room], *tail)
        if self._form == LETTERS:
            return Prompts(prefix, (self._list(candidates),), self._letters[: len(candidates) + 1], LETTERS)
        return Prompts(prefix, tuple(self._candidate(candidate) for candidate in candidates), (self.yes, self.no))

    def ask(self, question: OpenQuestion) -> list[int]:
        """The prompt of a question that is answered with yes or no, of bounded length. What all notes share comes
        first, so that the prefix cache holds it; the context keeps its beginning."""
        head, _, tail = template(question.kind).partition("{context}")
        before, _, after = tail.partition("{term}")
        shared, named = self._ids(head), self._ids(before + " ".join(question.term.split()))[:TERM_TOKENS]
        end = [*named, *self._ids(after)]
        room = max(0, OPEN_TOKENS - len(shared) - len(end))
        return [*shared, *self._ids(" ".join(question.context.split()))[:room], *end]

    def _around(self, question: Question) -> list[int]:
        return self._ids(" ".join(question.context.split()))

    def _candidate(self, candidate: Candidate) -> tuple[int, ...]:
        before, _, after = template("candidate").partition("{description}")
        described = self._ids(before + candidate.description)[:CANDIDATE_TOKENS]
        return (*self._ids("\n"), *described, *self._ids(after))

    def _list(self, candidates: Sequence[Candidate]) -> tuple[int, ...]:
        named = [*(candidate.description for candidate in candidates), NONE_OF_THESE]
        lines = [
            self._ids(f"\n{letter}. {name}")[:CANDIDATE_TOKENS]
            for letter, name in zip(ascii_uppercase, named, strict=False)
        ]
        return (*(token for line in lines for token in line), *self._ids(f"\n{ANSWER}"))

    def _ids(self, text: str) -> list[int]:
        return list(self._tokenizer.encode(text, add_special_tokens=False).ids)

    def _single(self, answer: str) -> int:
        ids = self._ids(answer)
        if len(ids) != 1:
            raise SetupError(f"this model's tokenizer does not write {answer.strip()!r} in one token")
        return ids[0]
