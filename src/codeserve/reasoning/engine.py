"""vLLM's `AsyncLLM` behind one question: how much more likely is yes than no after each prompt?"""

from __future__ import annotations

import asyncio
import os
import time
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from codeserve.config import ReasonerSettings
from codeserve.errors import DeadlineExceeded, StageFailed

if TYPE_CHECKING:
    from vllm.v1.engine.async_llm import AsyncLLM

CHECK_TIMEOUT_S = 15.0
FRESH_S = 5.0
RETRY_AFTER_S = 5
MAX_ANSWERS = 26


class Engine:
    """One engine, started once. Its core is a child process; `check` notices when that one is dead or stopped."""

    def __init__(self, folder: Path, settings: ReasonerSettings, probe: Sequence[int]) -> None:
        self._folder = folder
        self._settings = settings
        self._probe = list(probe)
        self._llm: AsyncLLM | None = None
        self._answered = float("-inf")

    async def start(self) -> None:
        """Load the model. Takes 20 to 60 seconds on a CPU. Raises StageFailed."""
        self._set_environment()
        from vllm.engine.arg_utils import AsyncEngineArgs
        from vllm.v1.engine.async_llm import AsyncLLM

        try:
            self._llm = AsyncLLM.from_engine_args(AsyncEngineArgs(**self._arguments()))
        except (RuntimeError, ValueError, OSError) as error:
            raise StageFailed(f"the LLM engine did not start ({type(error).__name__})") from error
        await self.margins([self._probe], self._probe[0], self._probe[0] + 1)

    def _set_environment(self) -> None:
        threads = str(self._settings.threads)
        os.environ.update(VLLM_CPU_KVCACHE_SPACE=str(self._settings.kv_cache_gib), VLLM_LOGGING_LEVEL="WARNING")
        if self._settings.device == "cpu":
            # Inside a replica the cores are Ray's to share: vLLM must not bind its threads to some of them.
            os.environ.update(VLLM_CPU_OMP_THREADS_BIND="nobind", OMP_NUM_THREADS=threads)

    def _arguments(self) -> dict[str, Any]:
        s = self._settings
        arguments: dict[str, Any] = {
            "model": str(self._folder),
            "dtype": s.dtype,
            "max_model_len": s.max_model_len,
            "max_num_seqs": s.max_num_seqs,
            "max_num_batched_tokens": s.max_num_batched_tokens,
            "tensor_parallel_size": s.tensor_parallel_size,
            "block_size": s.block_size,
            "enforce_eager": s.enforce_eager,
            "enable_prefix_caching": True,
            "max_logprobs": MAX_ANSWERS,
            "skip_tokenizer_init": True,
            "enable_log_requests": False,
            "disable_log_stats": True,
            "generation_config": "vllm",
        }
        if s.device == "cuda":
            arguments["gpu_memory_utilization"] = s.gpu_memory_utilization
        return arguments

    async def margins(self, prompts: Sequence[list[int]], yes: int, no: int) -> list[float]:
        """log p(yes) - log p(no) as the next token of each prompt. Raises as `log_probabilities` does."""
        rows = await self.log_probabilities(prompts, [(yes, no)] * len(prompts))
        return [row[0] - row[1] for row in rows]

    async def log_probabilities(
        self, prompts: Sequence[list[int]], answers: Sequence[Sequence[int]]
    ) -> list[tuple[float, ...]]:
        """Of each of a prompt's answers as its next token. Cancelling aborts what is under way.

        Raises StageFailed where the engine does, DeadlineExceeded after `call_timeout_s`.
        """
        if self._llm is None:
            raise StageFailed("the LLM engine is not running", retry_after=RETRY_AFTER_S)
        asked = [asyncio.ensure_future(self._ask(*pair)) for pair in zip(prompts, answers, strict=True)]
        try:
            async with asyncio.timeout(self._settings.call_timeout_s):
                return list(await asyncio.gather(*asked))
        except TimeoutError:
            raise DeadlineExceeded("the LLM took too long", retry_after=RETRY_AFTER_S) from None
        finally:
            for task in asked:
                task.cancel()

    async def _ask(self, prompt: list[int], answers: Sequence[int]) -> tuple[float, ...]:
        from vllm import SamplingParams
        from vllm.exceptions import VLLMError
        from vllm.v1.engine.exceptions import EngineDeadError, EngineGenerateError

        assert self._llm is not None
        tokens = list(answers)
        # Log-probabilities are taken before the mask, so the answers are asked for by name.
        parameters = SamplingParams(
            max_tokens=1, temperature=0.0, allowed_token_ids=tokens, logprob_token_ids=tokens, detokenize=False
        )
        found = None
        try:
            async for output in self._llm.generate({"prompt_token_ids": prompt}, parameters, uuid.uuid4().hex):
                found = output.outputs[0].logprobs
        except (EngineDeadError, EngineGenerateError, VLLMError) as error:
            raise StageFailed(f"the LLM engine failed ({type(error).__name__})", retry_after=RETRY_AFTER_S) from None
        if not found or not all(token in found[0] for token in tokens):
            raise StageFailed("the LLM engine gave no log-probabilities", retry_after=RETRY_AFTER_S)
        self._answered = time.monotonic()
        return tuple(float(found[0][token].logprob) for token in tokens)

    async def check(self) -> None:
        """A tiny request with a time limit: vLLM's own check does not notice a stopped core. Raises StageFailed.

        Answers that came while the request waited in line show that the engine is busy, not stopped.
        """
        begun = time.monotonic()
        if self._llm is not None and begun - self._answered < FRESH_S:
            return
        try:
            async with asyncio.timeout(CHECK_TIMEOUT_S):
                await self.margins([self._probe], self._probe[0], self._probe[0] + 1)
        except TimeoutError:
            if self._answered < begun:
                raise StageFailed("the LLM engine does not answer", retry_after=RETRY_AFTER_S) from None

    async def stop(self) -> None:
        if self._llm is not None:
            self._llm.shutdown()
            self._llm = None
