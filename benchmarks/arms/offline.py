"""(a): the ceiling. No server: all notes go through each phase together, every model phase on all cores.

    python -m benchmarks.arms.offline --config FILE --passes 4 --record recorded.pickle

Prints one JSON object a pass; the first pass is the warm-up. `record` keeps what passed between the stages of each
note, for the arm without models (replay.py).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import pickle
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks import notes, settings
from codeserve.api.schemas import ExtractRequest
from codeserve.config import AppSettings, home, keep_to_home
from codeserve.reasoning.questions import Answer, Question
from codeserve.service import CodingService, load_knowledge
from codeserve.tagging.core import TaggerModel
from codeserve.tagging.entities import Chunk, Entity
from codeserve.tagging.post import decode

PHASES = ("prepare", "tag", "ask", "retrieve", "generate", "decide")
MODELS = ("tag", "generate")


class Gate:
    """Where the notes wait for each other; `open` lets each go on with its result."""

    def __init__(self) -> None:
        self.waiting: list[tuple[Any, asyncio.Future[Any]]] = []

    async def __call__(self, item: Any) -> Any:
        future = asyncio.get_running_loop().create_future()
        self.waiting.append((item, future))
        return await future

    def open(self, results: Sequence[Any]) -> None:
        for (_, future), result in zip(self.waiting, results, strict=True):
            future.set_result(result)


class GateStages:
    """Both stages end at a gate."""

    def __init__(self) -> None:
        self.tagging, self.reasoning = Gate(), Gate()

    async def tag(self, text: str, chunks: Sequence[Chunk], deadline: float) -> list[tuple[Entity, ...]]:
        found: list[tuple[Entity, ...]] = await self.tagging((text, chunks))
        return found

    async def reason(self, questions: Sequence[Question], deadline: float, quick: bool = False) -> tuple[Answer, ...]:
        found: tuple[Answer, ...] = await self.reasoning(questions)
        return found

    async def missing(self) -> tuple[str, ...]:
        return ()


class GateEngine:
    """Prompts wait at a gate until those of all notes are there."""

    def __init__(self) -> None:
        self.asked = Gate()

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    async def check(self) -> None: ...

    async def log_probabilities(
        self, prompts: Sequence[list[int]], answers: Sequence[Sequence[int]]
    ) -> list[tuple[float, ...]]:
        found: list[tuple[float, ...]] = await self.asked((prompts, answers))
        return found


@dataclass(slots=True)
class Clock:
    """Wall and CPU seconds (of this process) by phase."""

    wall: dict[str, float] = field(default_factory=dict)
    cpu: dict[str, float] = field(default_factory=dict)
    _at: tuple[float, float] = (0.0, 0.0)

    def start(self) -> None:
        self._at = (time.perf_counter(), time.process_time())

    def ended(self, phase: str) -> None:
        now = (time.perf_counter(), time.process_time())
        self.wall[phase], self.cpu[phase] = now[0] - self._at[0], now[1] - self._at[1]
        self._at = now


class Offline:
    """The models, and one pass of all notes."""

    def __init__(self, chosen: AppSettings) -> None:
        from vllm import LLM

        from codeserve.deployments.loading import load_reasoner, load_tagger

        self._chosen, self._budget = chosen, chosen.model_set.tagger.max_batch_tokens
        self._reasoner = load_reasoner(chosen.model_set)
        engine = self._reasoner.engine
        engine._set_environment()  # type: ignore[attr-defined]  # the very settings of the service's engine
        arguments = {**engine._arguments(), "disable_log_stats": False}  # type: ignore[attr-defined]
        self._llm = LLM(**{key: value for key, value in arguments.items() if key != "enable_log_requests"})
        self._tagger: TaggerModel = load_tagger(chosen.model_set.tagger)
        self._knowledge = load_knowledge(chosen)

    async def run(self) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        """Figures of the pass, and what passed between the stages of each note."""
        clock, stages, engine = Clock(), GateStages(), GateEngine()
        service = CodingService(self._knowledge, self._chosen.model_set, stages)
        bodies = notes.bodies()
        clock.start()
        running = [asyncio.ensure_future(service.code(ExtractRequest.model_validate(body))) for body in bodies]
        await _until(lambda: len(stages.tagging.waiting) == len(bodies))
        clock.ended("prepare")
        tagged = self._tag([item for item, _ in stages.tagging.waiting])
        clock.ended("tag")
        stages.tagging.open(tagged)
        await _until(lambda: len(stages.reasoning.waiting) == len(bodies))
        clock.ended("ask")
        self._reasoner.engine = engine
        questions = [item for item, _ in stages.reasoning.waiting]
        answering = [asyncio.ensure_future(self._reasoner.answer(asked)) for asked in questions]
        await _until(lambda: sum(task.done() for task in answering) + len(engine.asked.waiting) == len(bodies))
        clock.ended("retrieve")
        counts = self._generate(engine)
        clock.ended("generate")
        answers = await asyncio.gather(*answering)
        stages.reasoning.open(answers)
        responses = await asyncio.gather(*running)
        clock.ended("decide")
        recorded = [
            {"body": b, "text": t, "chunks": c, "entities": e, "questions": q, "answers": a, "response": r}
            for b, ((t, c), _), e, q, a, r in zip(
                bodies, stages.tagging.waiting, tagged, questions, answers, responses, strict=True
            )
        ]
        return {"notes": len(bodies), "wall_s": clock.wall, "cpu_s": clock.cpu, **counts}, recorded

    def _tag(self, items: Sequence[tuple[str, Sequence[Chunk]]]) -> list[list[tuple[Entity, ...]]]:
        """Chunks of all notes by length, in batches of the service's token budget."""
        placed = [(i, j, chunk) for i, (_, chunks) in enumerate(items) for j, chunk in enumerate(chunks)]
        placed.sort(key=lambda one: len(one[2].ids))
        found: dict[tuple[int, int], tuple[Entity, ...]] = {}
        while placed:
            size = max(1, self._budget // (len(placed[-1][2].ids) + 2))
            batch, placed = placed[-size:], placed[:-size]
            for (i, j, chunk), rows in zip(batch, self._tagger.run([one[2].ids for one in batch]), strict=True):
                found[i, j] = decode(rows, chunk, self._tagger.labels, items[i][0])
        return [[found[i, j] for j in range(len(chunks))] for i, (_, chunks) in enumerate(items)]

    def _generate(self, engine: GateEngine) -> dict[str, int]:
        from vllm import SamplingParams

        flat = [pair for (prompts, answers), _ in engine.asked.waiting for pair in zip(prompts, answers, strict=True)]
        parameters = [
            SamplingParams(
                max_tokens=1,
                temperature=0.0,
                allowed_token_ids=list(a),
                logprob_token_ids=list(a),
                detokenize=False,
            )
            for _, a in flat
        ]
        outputs = self._llm.generate([{"prompt_token_ids": p} for p, _ in flat], parameters, use_tqdm=False)
        rows = iter(
            tuple(float(one.outputs[0].logprobs[0][token].logprob) for token in answers)
            for one, (_, answers) in zip(outputs, flat, strict=True)
        )
        engine.asked.open([[next(rows) for _ in prompts] for (prompts, _), _ in engine.asked.waiting])
        return {
            "prompts": len(flat),
            "prompt_tokens": sum(len(p) for p, _ in flat),
            "cached_tokens": sum(one.num_cached_tokens or 0 for one in outputs),
        }

    def forget(self) -> None:
        """Empty the prefix cache, so that a pass gains nothing from the one before it."""
        self._llm.reset_prefix_cache()


async def _until(reached: Any) -> None:
    while not reached():
        await asyncio.sleep(0)


def start(config: dict[str, Any], folder: Path, passes: int, name: str = "offline") -> list[dict[str, Any]]:
    """Run it as a program; one row a counted pass."""
    file = settings.write(config, folder / f"{name}.yaml")
    record = folder / "recorded.pickle"
    command = [sys.executable, "-m", "benchmarks.arms.offline", "--config", str(file), "--passes", str(passes)]
    with (folder / f"{name}.log").open("wb") as log:
        done = subprocess.run(
            [*command, "--record", str(record)], stdout=subprocess.PIPE, stderr=log, check=True, timeout=1800
        )
    rows = [json.loads(line) for line in done.stdout.decode().splitlines() if line.startswith("{")]
    return [{**row, "load_average": os.getloadavg()[0]} for row in rows]


async def _main(offline: Offline, passes: int, record: Path | None) -> None:
    for number in range(passes + 1):
        figures, recorded = await offline.run()
        offline.forget()
        if number:
            print(json.dumps(figures), flush=True)
        elif record:
            record.write_bytes(pickle.dumps(recorded))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--passes", type=int, default=3)
    parser.add_argument("--record", type=Path)
    args = parser.parse_args()
    keep_to_home(home())
    chosen = settings.read(args.config)
    cores = os.cpu_count() or 1
    models = chosen.model_set
    wide = models.model_copy(
        update={
            "tagger": models.tagger.model_copy(update={"threads": cores}),
            "reasoner": models.reasoner.model_copy(update={"threads": cores}),
        }
    )
    offline = Offline(chosen.model_copy(update={"model_set": wide}))
    asyncio.run(_main(offline, args.passes, args.record))


if __name__ == "__main__":
    main()
