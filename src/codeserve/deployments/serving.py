"""`codeserve serve`: start, show one coded note, keep serving, drain and stop on a signal."""

from __future__ import annotations

import json
import shlex
import signal
import threading
from pathlib import Path
from types import FrameType

import httpx
from rich.console import Console

from codeserve.commands import request_body
from codeserve.config import home
from codeserve.deployments.cluster import Cluster, read_config, refuse_taken_port, settings_of, with_address
from codeserve.errors import SetupError
from codeserve.present import show
from codeserve.setup import ready


def serve_until_stopped(
    config: Path, host: str | None, port: int | None, example: Path | None, wait_s: float, console: Console
) -> None:
    """Returns when SIGINT or SIGTERM came and everything that was started has ended. Raises SetupError."""
    ready(home())
    chosen = read_config(config)
    gateway = settings_of(chosen).gateway
    chosen = with_address(chosen, host or gateway.host, port or gateway.port)
    gateway = settings_of(chosen).gateway
    refuse_taken_port(gateway.host, gateway.port)
    stop = threading.Event()
    cluster = Cluster(chosen)
    try:
        with console.status("Starting Ray, the tagger and the LLM engine …"):
            cluster.start()
            _stop_on_signals(stop)
            seconds = cluster.wait_ready(wait_s, stopped=stop.is_set)
        if not stop.is_set():
            console.print(f"Ready after {seconds:.0f} s: {cluster.url} (API at {cluster.url}/docs)", highlight=False)
            if not gateway.keys_file:
                console.print("No API keys are configured: any caller on this machine is taken.", style="yellow")
            if example is not None:
                _show_example(cluster.url, example, console)
            console.print("Serving. Ctrl-C stops.", style="dim")
        stop.wait()
    finally:
        console.print("Draining and stopping …", style="dim")
        cluster.stop()
    console.print("Stopped.", style="dim")


def _stop_on_signals(stop: threading.Event) -> None:
    """After ray.init, which takes SIGTERM for itself."""

    def ask(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, ask)


def _show_example(url: str, example: Path, console: Console) -> None:
    body = request_body(example, None)
    answer = httpx.post(f"{url}/v1/extract-codes", json=body, timeout=600, trust_env=False)
    if answer.status_code != 200:
        problem = answer.json()
        raise SetupError(f"the example note was answered with {answer.status_code}: {problem.get('title', '')}")
    show(answer.json(), console)
    sent = home() / "example-request.json"
    sent.write_text(json.dumps(body, ensure_ascii=False), encoding="utf-8")
    console.print("The same with curl:", style="bold")
    console.print(
        f"curl -s {url}/v1/extract-codes -H 'Content-Type: application/json' -d @{shlex.quote(str(sent))}",
        soft_wrap=True,
        highlight=False,
    )
