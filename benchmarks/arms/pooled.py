"""(e): the service with its tagger inside vLLM's pooling runner, in the place of batches of our own."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from ray import serve
from ray.serve import Application

from benchmarks import servers, settings
from benchmarks.arms import codeserve
from codeserve.config import TaggerSettings, home, keep_to_home, load_settings
from codeserve.deployments.folders import model_folder
from codeserve.deployments.gateway import Gateway
from codeserve.deployments.reasoner import Reasoner
from codeserve.reasoning.engine import KEEP_MEMORY
from codeserve.setup import ready
from codeserve.tagging.entities import Chunk, Entity
from codeserve.tagging.post import decode


@serve.deployment(
    name="EntityTagger", ray_actor_options={"num_cpus": 0.2}, max_ongoing_requests=128, health_check_timeout_s=30
)
class PooledTagger:
    async def __init__(self, chosen: dict[str, Any]) -> None:
        keep_to_home(home())
        settings = TaggerSettings.model_validate(chosen)
        folder = model_folder(settings.model, ready(home()).tagger)
        await asyncio.to_thread(self._read, folder)
        self._llm = _engine(folder, settings)

    def _read(self, folder: Path) -> None:
        from codeserve.tagging.core import TaggerModel

        model = TaggerModel(folder, device="cpu")  # for its labels and special tokens; it is not run
        self._labels, self._around = model.labels, (model._cls, model._sep)

    async def tag(
        self, version: str, text: str, chunks: Sequence[Chunk], seconds: float, traceparent: str | None
    ) -> list[tuple[Entity, ...]]:
        rows = await asyncio.gather(*(self._run(chunk) for chunk in chunks))
        return [decode(row, chunk, self._labels, text) for row, chunk in zip(rows, chunks, strict=True)]

    async def _run(self, chunk: Chunk) -> Any:
        from vllm import PoolingParams

        begin, end = self._around
        prompt = {"prompt_token_ids": [begin, *chunk.ids, end]}
        data = None
        async for output in self._llm.encode(prompt, PoolingParams(task="token_classify"), uuid.uuid4().hex):
            data = output.outputs.data
        return np.asarray(data.float().numpy()[1:-1])

    async def probe(self, version: str) -> str:
        await self._run(Chunk((self._around[1],), ()))
        return "ready"


def _engine(folder: Path, chosen: TaggerSettings) -> Any:
    import os

    os.environ.update(VLLM_CPU_KVCACHE_SPACE="1", VLLM_CPU_OMP_THREADS_BIND="nobind", **KEEP_MEMORY)
    os.environ.update(OMP_NUM_THREADS=str(chosen.threads), VLLM_LOGGING_LEVEL="WARNING")
    from vllm.engine.arg_utils import AsyncEngineArgs
    from vllm.v1.engine.async_llm import AsyncLLM
    from vllm.v1.executor.uniproc_executor import UniProcExecutor

    arguments = AsyncEngineArgs(
        model=str(folder),
        runner="pooling",
        hf_overrides={"architectures": ["BertForTokenClassification"]},  # our tagger's file names the bare encoder
        dtype=chosen.dtype,
        max_num_batched_tokens=chosen.max_batch_tokens,
        max_num_seqs=64,
        enforce_eager=True,
        enable_log_requests=False,
        disable_log_stats=True,
        distributed_executor_backend=UniProcExecutor,
    )
    return AsyncLLM.from_engine_args(arguments)


def build(args: dict[str, Any]) -> Application:
    chosen = load_settings(args)
    tagger = PooledTagger.bind(chosen.model_set.tagger.model_dump(mode="json"))
    reasoner = Reasoner.bind(chosen.model_set.model_dump(mode="json"))
    return Gateway.bind(chosen.model_dump(mode="json"), tagger, reasoner)


def start(config: dict[str, Any], folder: Path) -> servers.Server:
    return codeserve.start(settings.with_import(config, "benchmarks.arms.pooled:build"), folder, "pooled")
