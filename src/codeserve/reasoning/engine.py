"""vLLM's `AsyncLLM` behind one question: how much more likely is yes than no after each prompt?"""

from __future__ import annotations

import asyncio
import os
import uuid
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from codeserve.config import ReasonerSettings
from codeserve.errors import DeadlineExceeded, StageFailed
from codeserve.reasoning.progress import Progress

if TYPE_CHECKING:
    from vllm.v1.engine.async_llm import AsyncLLM

RETRY_AFTER_S = 5
MAX_ANSWERS = 26
# For glibc in the core's process: tensors of a step are as large as those of the last, so freed memory stays with it.
KEEP_MEMORY = {"MALLOC_MMAP_THRESHOLD_": str(2**30), "MALLOC_TRIM_THRESHOLD_": str(2**34)}


class SchedulerLoad:
    """A vLLM stat logger that keeps what the scheduler said last: requests in its batch and before it. `step` is told
    the statistics of the scheduler and of the iteration, either of which may be None."""

    def __init__(self) -> None:
        self.running = self.waiting = 0
        self.step: Callable[[Any, Any], None] = lambda *_: None

    def record(self, scheduler_stats: Any, iteration_stats: Any, *_: Any, **__: Any) -> None:
        self.step(scheduler_stats, iteration_stats)
        if scheduler_stats is not None:
            self.running, self.waiting = scheduler_stats.num_running_reqs, scheduler_stats.num_waiting_reqs

    def log_engine_initialized(self) -> None:
        """Nothing to say."""


class Engine:
    """One engine, started once. Its core is a child process; `check` notices when that one is dead or stopped.

    An engine in which requests run and no token came for `stall_s` is stalled: what is under way fails at once, and so
    does what comes, until a probe is answered. vLLM's own check sees only a core that has ended.
    """

    def __init__(self, folder: Path, settings: ReasonerSettings, probe: Sequence[int]) -> None:
        self._folder = folder
        self._settings = settings
        self._probe = list(probe)
        self._llm: AsyncLLM | None = None
        self.progress = Progress()
        self._stalled = False
        self._probing: asyncio.Task[None] | None = None
        self._scheduler = SchedulerLoad()
        self._answered: Callable[[Any], None] = lambda _: None
        self._aborted = 0

    async def start(
        self, step: Callable[[Any, Any], None] = lambda *_: None, answered: Callable[[Any], None] = lambda _: None
    ) -> None:
        """Load the model; `step` is told vLLM's statistics of each step, `answered` each `RequestOutput` in the context
        of the call that asked. Takes 20 to 60 seconds on a CPU.

        Raises StageFailed.
        """
        self._set_environment()
        self._scheduler.step, self._answered = step, answered
        from vllm.engine.arg_utils import AsyncEngineArgs
        from vllm.v1.engine.async_llm import AsyncLLM

        try:
            loggers: list[Any] = [lambda *_: self._scheduler]
            self._llm = AsyncLLM.from_engine_args(AsyncEngineArgs(**self._arguments()), stat_loggers=loggers)
        except (RuntimeError, ValueError, OSError) as error:
            raise StageFailed(f"the LLM engine did not start ({type(error).__name__})") from error
        await self.warm_up()

    async def warm_up(self) -> None:
        """The first request compiles what the home folder does not hold yet: no token for long is no stall here."""
        try:
            async with asyncio.timeout(self._settings.call_timeout_s):
                await self._counted(self._probe, self._probe[:2])
        except TimeoutError:
            raise StageFailed("the LLM engine did not answer its first request") from None

    def _set_environment(self) -> None:
        threads = str(self._settings.threads)
        os.environ.update(VLLM_CPU_KVCACHE_SPACE=str(self._settings.kv_cache_gib), VLLM_LOGGING_LEVEL="WARNING")
        if self._settings.device == "cpu":
            # Inside a replica the cores are Ray's to share: vLLM must not bind its threads to some of them.
            os.environ.update(VLLM_CPU_OMP_THREADS_BIND="nobind", OMP_NUM_THREADS=threads, **KEEP_MEMORY)

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
        elif s.tensor_parallel_size == 1:
            # The model in the core's own process. With a worker process beside it the core waits for each step by
            # spinning, on cores that the model needs. By its class: vLLM replaces the name "uni" on CPUs by "mp".
            from vllm.v1.executor.uniproc_executor import UniProcExecutor

            arguments["distributed_executor_backend"] = UniProcExecutor
        return arguments

    async def margins(self, prompts: Sequence[list[int]], yes: int, no: int) -> list[float]:
        """log p(yes) - log p(no) as the next token of each prompt. Raises as `log_probabilities` does."""
        rows = await self.log_probabilities(prompts, [(yes, no)] * len(prompts))
        return [row[0] - row[1] for row in rows]

    async def log_probabilities(
        self, prompts: Sequence[list[int]], answers: Sequence[Sequence[int]]
    ) -> list[tuple[float, ...]]:
        """Of each of a prompt's answers as its next token. Cancelling aborts what is under way.

        Raises StageFailed where the engine does or stalls, DeadlineExceeded after `call_timeout_s`.
        """
        self._require_moving()
        try:
            async with asyncio.timeout(self._settings.call_timeout_s):
                return await self._gather(prompts, answers)
        except TimeoutError:
            raise DeadlineExceeded("the LLM took too long", retry_after=RETRY_AFTER_S) from None

    async def _gather(self, prompts: Sequence[list[int]], answers: Sequence[Sequence[int]]) -> list[tuple[float, ...]]:
        """All answers, or StageFailed as soon as the engine stands still."""
        asked = [asyncio.ensure_future(self._counted(*pair)) for pair in zip(prompts, answers, strict=True)]
        together = asyncio.ensure_future(_all(asked))
        watch = asyncio.ensure_future(self._until_stalled())
        try:
            await asyncio.wait([together, watch], return_when=asyncio.FIRST_COMPLETED)
            if not together.done():
                self._require_moving()
            return await together
        finally:
            for task in (watch, together, *asked):
                task.cancel()

    async def _until_stalled(self) -> None:
        while not self._stalled:
            left = self._settings.stall_s - self.progress.stalled_s
            self._stalled = left <= 0
            await asyncio.sleep(max(left, 0))

    def _require_moving(self) -> None:
        if self._llm is None:
            raise StageFailed("the LLM engine is not running", retry_after=RETRY_AFTER_S)
        if self._stalled:
            raise StageFailed("the LLM engine stands still", retry_after=RETRY_AFTER_S)

    async def _counted(self, prompt: list[int], answers: Sequence[int]) -> tuple[float, ...]:
        with self.progress.request(len(prompt)) as answered:
            found = await self._ask(prompt, answers)
            answered()
            self._stalled = False
            return found

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
        last = None
        try:
            async for output in self._llm.generate({"prompt_token_ids": prompt}, parameters, uuid.uuid4().hex):
                last = output
        except asyncio.CancelledError:
            self._aborted += 1
            raise
        except (EngineDeadError, EngineGenerateError, VLLMError) as error:
            raise StageFailed(f"the LLM engine failed ({type(error).__name__})", retry_after=RETRY_AFTER_S) from None
        found = last.outputs[0].logprobs if last is not None else None
        if not found or not all(token in found[0] for token in tokens):
            raise StageFailed("the LLM engine gave no log-probabilities", retry_after=RETRY_AFTER_S)
        self._answered(last)
        return tuple(float(found[0][token].logprob) for token in tokens)

    def load(self) -> dict[str, int]:
        """Requests: `unfinished` ones now, and `aborted` ones since the start; `running` and `waiting` as the scheduler
        said at its last step (it says nothing while it has nothing to do)."""
        unfinished = self._llm.output_processor.get_num_unfinished_requests() if self._llm else 0
        return {
            "unfinished": unfinished,
            "running": self._scheduler.running,
            "waiting": self._scheduler.waiting,
            "aborted": self._aborted,
        }

    async def check(self) -> None:
        """Raises StageFailed: at once for a stalled engine; after `stall_s` for an idle one that does not answer a tiny
        request. A busy engine in which tokens come is healthy, however long its line is."""
        if self._llm is not None and self.progress.stalled_s > self._settings.stall_s:
            self._stalled = True
        if self._stalled and (self._probing is None or self._probing.done()):
            self._probing = asyncio.create_task(self._probe_again())
        self._require_moving()
        if not self.progress.running:
            await self.log_probabilities([self._probe], [self._probe[:2]])

    async def _probe_again(self) -> None:
        """An answer makes a stalled engine whole again."""
        with suppress(StageFailed):
            await self._counted(self._probe, self._probe[:2])

    async def stop(self) -> None:
        if self._probing is not None:
            self._probing.cancel()
        if self._llm is not None:
            self._llm.shutdown()
            self._llm = None


async def _all(asked: Sequence[asyncio.Task[tuple[float, ...]]]) -> list[tuple[float, ...]]:
    return list(await asyncio.gather(*asked))
