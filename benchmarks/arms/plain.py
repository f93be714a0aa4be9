"""FastAPI alone, no Ray, no admission, no deadline, no drain: what (b) and (c) serve with.

    python -m benchmarks.arms.plain --stages naive|two-processes --config FILE --port 8000 [--llm URL]

(b) naive: a Hugging Face pipeline and `model.generate`, one note at a time. (c) two-processes: the tagger in this
process, the LLM behind `vllm serve`. Rules, retrieval, prompts and gate are the service's own.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import Response

from benchmarks import servers, settings
from codeserve.api.schemas import ExtractRequest
from codeserve.config import AppSettings, home, keep_to_home
from codeserve.service import CodingService, Stages, load_knowledge

MODULE = "benchmarks.arms.plain"


def application(service: CodingService, at_once: int) -> FastAPI:
    """The least that a user would write. `at_once`: notes in work together."""
    app, room = FastAPI(), asyncio.Semaphore(at_once)

    @app.post("/v1/extract-codes")
    async def extract(request: Request) -> Response:
        asked = ExtractRequest.model_validate_json(await request.body())
        async with room:
            answer = await service.code(asked)
        return Response(answer.model_dump_json(), media_type="application/json")

    @app.get("/readyz")
    async def ready() -> Response:
        return Response(status_code=503 if await service._stages.missing() else 200)

    return app


def stages(kind: str, chosen: AppSettings, llm: str) -> tuple[Stages, int]:
    """The model stages, and how many notes may be in work at once."""
    if kind == "naive":
        from benchmarks.arms.naive import naive_stages

        return naive_stages(chosen), 1
    from benchmarks.arms.two_processes import two_process_stages

    return two_process_stages(chosen, llm), 10_000


def start_naive(config: dict[str, Any], folder: Path) -> servers.Server:
    return _start("naive", config, folder, [], [])


def start_two_processes(config: dict[str, Any], folder: Path) -> servers.Server:
    """`vllm serve` with the same engine settings, and the other process."""
    from benchmarks.arms.two_processes import vllm_command

    port = servers.free_port()
    file = settings.write(config, folder / "two-processes.yaml")
    return _start(
        "two-processes",
        config,
        folder,
        ["--llm", f"http://127.0.0.1:{port}"],
        [vllm_command(settings.read(file), port)],
    )


def _start(kind: str, config: dict[str, Any], folder: Path, more: list[str], before: list[list[str]]) -> servers.Server:
    port = servers.free_port()
    file = settings.write(config, folder / f"{kind}.yaml")
    command = [sys.executable, "-m", MODULE, "--stages", kind, "--config", str(file), "--port", str(port), *more]
    reasoner = settings.read(file).model_set.reasoner
    environment = {
        "VLLM_CPU_KVCACHE_SPACE": str(reasoner.kv_cache_gib),
        "VLLM_CPU_OMP_THREADS_BIND": "nobind",
        "VLLM_LOGGING_LEVEL": "WARNING",
        **({"OMP_NUM_THREADS": str(reasoner.threads)} if kind != "naive" else {}),
    }
    url = f"http://127.0.0.1:{port}"
    return servers.start(kind, [*before, command], url, folder / f"{kind}.log", environment)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stages", choices=("naive", "two-processes"), required=True)
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--llm", default="")
    args = parser.parse_args()
    keep_to_home(home())
    chosen = settings.read(args.config)
    used, at_once = stages(args.stages, chosen, args.llm)
    service = CodingService(load_knowledge(chosen), chosen.model_set, used)
    uvicorn.run(application(service, at_once), host="127.0.0.1", port=args.port, log_level="warning")


if __name__ == "__main__":
    main()
