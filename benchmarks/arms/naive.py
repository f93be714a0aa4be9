"""(b): Hugging Face's token-classification pipeline and `model.generate`, one prompt at a time, on all cores."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from codeserve.config import AppSettings, home
from codeserve.deployments.folders import model_folder
from codeserve.local import LocalStages
from codeserve.notes.spans import Span
from codeserve.reasoning.reasoner import Reasoner
from codeserve.setup import ready
from codeserve.tagging.entities import Chunk, Entity
from codeserve.tagging.post import decode


class NaiveStages(LocalStages):
    """A chunk goes through the pipeline as text; the pipeline tokenises it again."""

    def __init__(self, pipeline: Any, labels: Sequence[str], reasoner: Reasoner) -> None:
        super().__init__(pipeline, reasoner)
        self._pipeline, self._labels = pipeline, labels
        self._column = {label: i for i, label in enumerate(labels)}

    async def tag(self, text: str, chunks: Sequence[Chunk], deadline: float = math.inf) -> list[tuple[Entity, ...]]:
        return await asyncio.to_thread(lambda: [self._tag(text, chunk) for chunk in chunks])

    def _tag(self, text: str, chunk: Chunk) -> tuple[Entity, ...]:
        begin, end = chunk.spans[0].start, chunk.spans[-1].end
        tokens = self._pipeline(text[begin:end])
        spans = tuple(Span(begin + token["start"], begin + token["end"]) for token in tokens)
        probabilities = np.zeros((len(tokens), len(self._labels)), dtype=np.float32)
        for row, token in enumerate(tokens):
            probabilities[row, self._column[token["entity"]]] = token["score"]
        return decode(probabilities, Chunk((0,) * len(tokens), spans), self._labels, text)


class GenerateEngine:
    """`model.generate` a prompt, in the form that the Reasoner asks engines in."""

    def __init__(self, model: Any) -> None:
        self._model = model

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    async def check(self) -> None: ...

    async def log_probabilities(
        self, prompts: Sequence[list[int]], answers: Sequence[Sequence[int]]
    ) -> list[tuple[float, ...]]:
        return await asyncio.to_thread(lambda: [self._one(*pair) for pair in zip(prompts, answers, strict=True)])

    def _one(self, prompt: list[int], answers: Sequence[int]) -> tuple[float, ...]:
        import torch

        ids = torch.tensor([prompt])
        with torch.inference_mode():
            made = self._model.generate(
                ids,
                attention_mask=torch.ones_like(ids),
                max_new_tokens=1,
                do_sample=False,
                output_logits=True,
                return_dict_in_generate=True,
                pad_token_id=0,
            )
        logs = made.logits[0][0].float().log_softmax(-1)
        return tuple(float(logs[token]) for token in answers)


def naive_stages(chosen: AppSettings) -> NaiveStages:
    import torch
    from transformers import AutoModelForCausalLM, pipeline

    from codeserve.deployments.loading import load_reasoner

    torch.set_num_threads(torch.get_num_interop_threads())
    at = ready(home())
    tagger, llm = chosen.model_set.tagger, chosen.model_set.reasoner
    folder = str(model_folder(tagger.model, at.tagger))
    tag = pipeline(
        "token-classification",
        model=folder,
        tokenizer=folder,
        dtype=getattr(torch, tagger.dtype),
        aggregation_strategy="none",
        ignore_labels=[],
    )
    reasoner = load_reasoner(chosen.model_set)
    model = AutoModelForCausalLM.from_pretrained(model_folder(llm.model, at.reasoner), dtype=getattr(torch, llm.dtype))
    reasoner.engine = GenerateEngine(model.eval())
    labels = [name for _, name in sorted((int(i), name) for i, name in tag.model.config.id2label.items())]
    return NaiveStages(tag, labels, reasoner)
