"""All questions of a note at once: retrieve, let the gate spare the LLM what is certain, ask the rest in one call."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Sequence
from copy import copy
from typing import Any, Protocol

from codeserve.reasoning.calibration import Calibrator
from codeserve.reasoning.judge import certain, from_lexicon, read
from codeserve.reasoning.progress import Progress
from codeserve.reasoning.prompts import Prompter
from codeserve.reasoning.questions import Answer, Candidate, OpenQuestion, Question, System


class AnswerEngine(Protocol):
    @property
    def progress(self) -> Progress: ...

    async def start(self, step: Callable[[Any, Any], None] = ..., answered: Callable[[Any], None] = ...) -> None: ...

    async def stop(self) -> None: ...

    async def check(self) -> None: ...

    async def log_probabilities(
        self, prompts: Sequence[list[int]], answers: Sequence[Sequence[int]]
    ) -> list[tuple[float, ...]]: ...


class Search(Protocol):
    def search(
        self, questions: Sequence[Question], limit: int = 20, dense: bool = True
    ) -> list[tuple[Candidate, ...]]: ...


Found = list[tuple[Candidate, ...]]


async def in_this_thread(search: Callable[..., Found], *asked: Any) -> Found:
    return search(*asked)


class Reasoner:
    """Judges `max_candidates` a question out of `limit` that retrieval finds. `gate` as in the settings."""

    def __init__(
        self,
        retriever: Search,
        prompter: Prompter,
        engine: AnswerEngine,
        calibrator: Calibrator,
        *,
        limit: int = 20,
        max_candidates: int = 6,
        gate: bool = True,
    ) -> None:
        self.retriever = retriever
        self.engine = engine
        self._prompter = prompter
        self._calibrator = calibrator
        self._limit = limit
        self._max = max_candidates
        self._gate = gate
        self._run: Callable[..., Awaitable[Found]] = in_this_thread

    def over(self, retriever: Search, run: Callable[..., Awaitable[Found]] = in_this_thread) -> Reasoner:
        """The same over other candidates; `run` calls the search with its arguments, elsewhere where that is wanted."""
        other = copy(self)
        other.retriever, other._run = retriever, run
        return other

    async def answer(
        self, questions: Sequence[Question], *, llm: bool = True, dense: bool = True
    ) -> tuple[Answer, ...]:
        """One answer a question, in their order; without `llm` its first candidate. A question without a candidate is
        answered with none of them. `dense` as in `Retriever.search`."""
        found = await self._run(self.retriever.search, questions, self._limit, dense)
        asked = [i for i, q in enumerate(questions) if llm and not self._spared(q, found[i])]
        prompts = {i: self._prompter.build(questions[i], found[i][: self._max]) for i in asked}
        flat = [(prompt, prompts[i].answers) for i in asked for prompt in prompts[i].whole()]
        logs = iter(await self.engine.log_probabilities([p for p, _ in flat], [a for _, a in flat]) if flat else ())
        margins = {i: prompts[i].margins([next(logs) for _ in prompts[i].suffixes]) for i in asked}
        return tuple(self._read(q, found[i], margins.get(i)) for i, q in enumerate(questions))

    async def judge(self, questions: Sequence[OpenQuestion]) -> tuple[float, ...]:
        """The probability of yes, in [0, 1], of each question, in their order; it is not calibrated."""
        if not questions:
            return ()
        answers = (self._prompter.yes, self._prompter.no)
        logs = await self.engine.log_probabilities(
            [self._prompter.ask(question) for question in questions], [answers] * len(questions)
        )
        return tuple((1 + math.tanh((yes - no) / 2)) / 2 for yes, no in logs)

    def _spared(self, question: Question, candidates: Sequence[Candidate]) -> bool:
        """The LLM has learnt to judge diagnoses; a service is named by the procedure table's own terms."""
        if not candidates or question.system is not System.ICD10CM:
            return True
        return self._gate and certain(candidates)

    def _read(self, question: Question, candidates: tuple[Candidate, ...], margins: list[float] | None) -> Answer:
        if not candidates:
            return Answer(question.id, (), 1.0, "lexicon")
        if margins is None:
            return from_lexicon(question, candidates, self._calibrator)
        return read(question, candidates[: self._max], margins, self._calibrator)
