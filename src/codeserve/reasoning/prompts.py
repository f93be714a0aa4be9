"""Prompts as token ids. All candidates of a question share their beginning, laid out to whole KV blocks.

vLLM's prefix cache shares whole blocks only, so the context is cut to end the shared part on a block's border.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from pathlib import Path

from tokenizers import Tokenizer

from codeserve.errors import SetupError
from codeserve.reasoning.questions import Candidate, Question

YES, NO = " yes", " no"
MAX_BLOCKS = 2
CANDIDATE_TOKENS = 28


@lru_cache(maxsize=8)
def template(name: str) -> str:
    """A prompt template of src/codeserve/prompts, without its last line break."""
    return files("codeserve").joinpath("prompts", f"{name}.txt").read_text(encoding="utf-8").rstrip("\n")


@dataclass(frozen=True, slots=True)
class Prompts:
    """`prefix` is shared by all `suffixes`, one a candidate; a prompt is their sum."""

    prefix: tuple[int, ...]
    suffixes: tuple[tuple[int, ...], ...]

    def whole(self) -> list[list[int]]:
        return [[*self.prefix, *suffix] for suffix in self.suffixes]


class Prompter:
    """Builds the prompts of one model. `block` is the engine's KV block in tokens."""

    def __init__(self, tokenizer: Tokenizer, block: int = 32) -> None:
        self._tokenizer = tokenizer
        self._block = block
        self.yes, self.no = self._single(YES), self._single(NO)
        head, _, tail = template("yes_no").partition("{context}")
        self._head, self._tail = self._ids(head), tail

    @classmethod
    def load(cls, folder: Path, block: int = 32) -> Prompter:
        """From the model's folder. Raises SetupError when its tokenizer is missing or cannot answer in one token."""
        try:
            tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        except Exception as error:  # the library raises a bare Exception for a missing or broken file
            raise SetupError(f"the reasoner's tokenizer cannot be read ({type(error).__name__})") from None
        return cls(tokenizer, block)

    def build(self, question: Question, candidates: Sequence[Candidate]) -> Prompts:
        """The prompts of one question; the context keeps what stands nearest to the term."""
        named = question.term if not question.details else f"{question.term} ({', '.join(question.details)})"
        tail = self._ids(self._tail.replace("{term}", named))
        context = self._around(question)
        fixed = len(self._head) + len(tail)
        whole = min(MAX_BLOCKS * self._block, fixed + len(context)) // self._block * self._block
        room = max(0, max(whole, fixed) - fixed)
        prefix = (*self._head, *context[:room], *tail)
        return Prompts(prefix, tuple(self._candidate(candidate) for candidate in candidates))

    def _around(self, question: Question) -> list[int]:
        return self._ids(" ".join(question.context.split()))

    def _candidate(self, candidate: Candidate) -> tuple[int, ...]:
        before, _, after = template("candidate").partition("{description}")
        described = self._ids(before + candidate.description)[:CANDIDATE_TOKENS]
        return (*self._ids("\n"), *described, *self._ids(after))

    def _ids(self, text: str) -> list[int]:
        return list(self._tokenizer.encode(text, add_special_tokens=False).ids)

    def _single(self, answer: str) -> int:
        ids = self._ids(answer)
        if len(ids) != 1:
            raise SetupError(f"this model's tokenizer does not write {answer.strip()!r} in one token")
        return ids[0]
