"""`codeserve serve`: start, show one coded note, keep serving, drain and stop on a signal."""

from __future__ import annotations

import json
import shlex
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
from rich.console import Console

from codeserve.commands import request_body
from codeserve.config import home
from codeserve.deployments.check_file import refuse_shared_sqlite
from codeserve.deployments.cluster import Cluster, read_config, refuse_taken_port, settings_of, with_address
from codeserve.deployments.folders import model_folder
from codeserve.errors import SetupError
from codeserve.present import show
from codeserve.setup import ready

CHECK_S = 2.0


def serve_until_stopped(
    config: Path, host: str | None, port: int | None, example: Path | None, wait_s: float, console: Console
) -> None:
    """Returns when SIGINT or SIGTERM came and everything that was started has ended; SIGHUP reads the file again and
    puts what it says in the place of what runs. Raises SetupError, and StageFailed when Ray's node dies."""
    chosen = _read(config, host, port)
    gateway = settings_of(chosen).gateway
    refuse_taken_port(gateway.host, gateway.port)
    signals = Signals()
    cluster = Cluster(chosen)
    try:
        with console.status("Starting Ray, the tagger and the LLM engine …"):
            cluster.start()
            signals.listen()
            seconds = cluster.wait_ready(wait_s, signals.stop.is_set)
        if not signals.stop.is_set():
            console.print(f"Ready after {seconds:.0f} s: {cluster.url} (API at {cluster.url}/docs)", highlight=False)
            if not gateway.keys_file:
                console.print("No API keys are configured: any caller on this machine is taken.", style="yellow")
            if example is not None:
                _show_example(cluster.url, example, console)
            console.print("Serving. Ctrl-C stops; SIGHUP takes a changed configuration.", style="dim")
        while signals.next_is_reload(cluster.require_node):
            _reload(cluster, config, host, port, wait_s, signals, console)
    finally:
        _stop(cluster, console)
    console.print("Stopped.", style="dim")


def _read(config: Path, host: str | None, port: int | None) -> dict[str, Any]:
    """The configuration, at the address that the command line says. Raises SetupError."""
    prepared = ready(home())
    chosen = read_config(config)
    settings = settings_of(chosen)
    refuse_shared_sqlite(chosen, settings)
    for model, embedded in (
        (settings.model_set.tagger.model, prepared.tagger),
        (settings.model_set.reasoner.model, prepared.reasoner),
    ):
        model_folder(model, embedded)
    return with_address(chosen, host or settings.gateway.host, port or settings.gateway.port)


def _reload(
    cluster: Cluster,
    config: Path,
    host: str | None,
    port: int | None,
    wait_s: float,
    signals: Signals,
    console: Console,
) -> None:
    """What cannot work is told, and what runs goes on."""
    try:
        with console.status("Starting the new version beside the running one …"):
            seconds = cluster.update(_read(config, host, port), wait_s, signals.stop.is_set)
    except SetupError as error:
        console.print(f"The new configuration is not taken: {error.detail}", style="red", soft_wrap=True)
        return
    if not signals.stop.is_set():
        console.print(f"The new version serves after {seconds:.0f} s.", style="dim")


def _stop(cluster: Cluster, console: Console) -> None:
    console.print("Draining and stopping …", style="dim")
    try:
        left = cluster.drain()
        if left:
            console.print(f"{left} note(s) took longer than the drain and were cut off.", style="red")
    finally:
        cluster.stop()


class Signals:
    """What SIGINT, SIGTERM and SIGHUP ask for."""

    def __init__(self) -> None:
        self.stop = threading.Event()
        self._any = threading.Event()

    def listen(self) -> None:
        """After ray.init, which takes SIGTERM for itself."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: self._ask_to_stop())
        signal.signal(signal.SIGHUP, lambda *_: self._any.set())

    def _ask_to_stop(self) -> None:
        self.stop.set()
        self._any.set()

    def next_is_reload(self, check: Callable[[], None]) -> bool:
        """Wait for the next signal; false for one that stops. `check` is called meanwhile and may raise."""
        while not self._any.wait(CHECK_S):
            check()
        self._any.clear()
        return not self.stop.is_set()


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
