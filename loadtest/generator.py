"""The processes that make the load: Locust, alone or a master with workers."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from benchmarks.processes import ROOT, free_port
from loadtest.target import Order

LOCUSTFILE = Path(__file__).parent / "locustfile.py"


def commands(url: str, folder: Path, last_s: float, workers: int = 0) -> list[list[str]]:
    """The process that decides first; with workers it is their master, on this machine's loopback. `last_s`: how long
    users may take for what they have asked when the run is over."""
    base = [sys.executable, "-m", "locust", "-f", str(LOCUSTFILE), "--headless", "--stop-timeout", f"{last_s:.0f}"]
    reports = ["--host", url, "--html", str(folder / "report.html"), "--csv", str(folder / "stats"), "--only-summary"]
    if not workers:
        return [[*base, *reports]]
    port = str(free_port())
    bound = ["--master", "--master-bind-host", "127.0.0.1", "--master-bind-port", port]
    waits = ["--expect-workers", str(workers), "--expect-workers-max-wait", "60"]
    worker = [*base, "--worker", "--master-host", "127.0.0.1", "--master-port", port]
    return [[*base, *reports, *bound, *waits], *([worker] * workers)]


@contextmanager
def processes(todo: Sequence[Sequence[str]], order: Order, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """The first of them. All are gone afterwards."""
    path = os.pathsep.join(filter(None, (str(ROOT), str(ROOT / "src"), os.environ.get("PYTHONPATH"))))
    environment = {**os.environ, **order.environment(), "PYTHONPATH": path}
    with log.open("wb") as out:
        started = [subprocess.Popen(one, cwd=ROOT, env=environment, stdout=out, stderr=out) for one in todo]
    try:
        yield started[0]
    finally:
        for process in started:
            end(process)


def watch(
    process: subprocess.Popen[bytes], title: str, length_s: float, limit_s: float, console: Console
) -> int | None:
    """Its exit code; none where it was not done after `limit_s`."""
    begun = time.monotonic()
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as bars:
        bar = bars.add_task(title, total=length_s)
        while (spent := time.monotonic() - begun) < limit_s:
            bars.update(bar, completed=min(spent, length_s))
            with suppress(subprocess.TimeoutExpired):
                return process.wait(timeout=0.5)
    return None


def end(process: subprocess.Popen[bytes]) -> None:
    try:
        process.wait(timeout=10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
