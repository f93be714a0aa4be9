"""Starts the service and the worker around the play, and ends them with it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
from rich.console import Console

from codeserve.demo.play import play
from codeserve.demo.stage import Stage, read_scenes, staged
from codeserve.deployments.cluster import read_config
from codeserve.errors import StageFailed

START_S, STOP_S = 300.0, 60.0


def run(config: Path, examples: Path, port: int, console: Console) -> bool:
    """Whether the audit trail held in the end."""
    scenes, base = read_scenes(examples), read_config(config)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="codeserve-demo-")))
        stage = stack.enter_context(staged(folder, scenes, base, port))
        service = stack.enter_context(process("serve", stage, folder))
        with console.status("Starting the models (a minute) …"):
            _until_ready(stage, service)
        console.print("The service is ready. A worker is started beside it.", highlight=False)
        stack.enter_context(process("worker", stage, folder))
        return play(stage, console)


@contextmanager
def process(command: str, stage: Stage, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    arguments = [str(Path(sys.executable).parent / "codeserve"), command, "--config", str(stage.config)]
    environment: Mapping[str, str] = {**os.environ, **stage.environment}
    with (folder / f"{command}.log").open("wb") as log:
        process = subprocess.Popen(arguments, stdout=log, stderr=subprocess.STDOUT, env=environment)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()


def _until_ready(stage: Stage, service: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline and service.poll() is None:
        try:
            if httpx.get(f"{stage.url}/readyz", timeout=30, trust_env=False).status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.5)
    log = (stage.config.parent / "serve.log").read_text()[-1500:]
    raise StageFailed(f"the service did not start:\n{log}", hint="codeserve doctor says what is missing")
