"""The faults: each a few lines that hurt a running service, and what clients may see of it."""

from __future__ import annotations

import asyncio
import resource
import secrets
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import processes as kinds
from benchmarks.clients import Answer, bodies, one_by_one
from benchmarks.processes import Running
from benchmarks.tiny import make_reasoner
from codeserve.config import home

READY_S = 240
STORE_BYTES = 200 * 2**20
FREE, IDLE = 8, 40  # descriptors that the proxy has left, and connections that ask for one


@dataclass
class Stage:
    """Where a fault acts. `configure(model, name)` writes the configuration file anew."""

    folder: Path
    model: str
    configure: Callable[[str, str], Path]
    service: Running = field(init=False)
    answers: dict[str, Answer] = field(default_factory=dict)  # of another model, by note

    async def until_ready(self) -> None:
        deadline = time.monotonic() + READY_S
        await asyncio.sleep(2)
        while not await asyncio.to_thread(self.service.ready):
            if time.monotonic() > deadline:
                raise RuntimeError("the service did not come back")
            await asyncio.sleep(0.5)


@dataclass(frozen=True)
class Fault:
    """`act` returns when the cause has ended, with a remark or nothing; `prepare` gives the service's environment."""

    name: str
    title: str
    act: Callable[[Stage], Awaitable[str | None]]
    prepare: Callable[[Stage, ExitStack], dict[str, str]] | None = None
    also_allowed: frozenset[str] = frozenset()
    fresh_connections: bool = False
    bodies: Callable[[], list[dict[str, Any]]] = list


async def kill(stage: Stage, kind: str) -> None:
    for process in stage.service.find(kind)[:1]:
        process.kill()
        return
    raise RuntimeError(f"there is no {kind} to kill")


async def kill_ten_times(stage: Stage) -> str:
    times = []
    for _ in range(10):
        begun = time.monotonic()
        await kill(stage, kinds.REASONER)
        await stage.until_ready()
        times.append(time.monotonic() - begun)
    return f"ready again after {min(times):.0f} to {max(times):.0f} s each"


async def kill_agent(stage: Stage) -> str:
    """Ray ends the node, all replicas and the proxy with it. The service must end too, for whoever watches over it to
    start it again, which is done here."""
    begun = time.monotonic()
    await kill(stage, kinds.AGENT)
    code = await asyncio.to_thread(stage.service.ended)
    took, left = time.monotonic() - begun, len(stage.service.all())
    again = await asyncio.to_thread(stage.service.start)
    return (
        f"ended by itself after {took:.0f} s, exit code {code}, {left} processes left; started again in {again:.0f} s"
    )


async def stop_engine(stage: Stage) -> str:
    stopped = stage.service.find(kinds.ENGINE)
    for process in stopped:
        process.suspend()
    begun = time.monotonic()
    while any(process.is_running() for process in stopped) and time.monotonic() - begun < READY_S:
        await asyncio.sleep(0.5)
    return f"the hung engine was gone after {time.monotonic() - begun:.0f} s"


async def slow_tagger(stage: Stage) -> None:
    """It runs a tenth of the time."""
    (tagger,) = stage.service.find(kinds.TAGGER)
    for _ in range(20):
        tagger.suspend()
        await asyncio.sleep(0.9)
        tagger.resume()
        await asyncio.sleep(0.1)


FILL = """
import sys, time, numpy, ray
ray.init(address=sys.argv[1], namespace="faults", log_to_driver=False)
kept = [ray.put(numpy.zeros(20 * 2**20, numpy.uint8)) for _ in range(20)]
time.sleep(15)
"""


def small_store(stage: Stage, stack: ExitStack) -> dict[str, str]:
    """A token that the filler knows too, and a store that is soon full."""
    return {
        "RAY_AUTH_TOKEN": secrets.token_hex(32),
        "RAY_DEFAULT_OBJECT_STORE_MAX_MEMORY_BYTES": str(STORE_BYTES),
    }


async def fill_object_store(stage: Stage) -> str:
    """Twice what the store holds, held for a while, so that Ray has to move objects to the disk."""
    (raylet, *_) = stage.service.find("raylet")
    address = next(a.partition("=")[2] for a in raylet.cmdline() if a.startswith("--gcs-address="))
    environment = {**raylet.environ(), **stage.service.environment}
    done = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", FILL, address], env=environment, capture_output=True, timeout=180
    )
    return "" if done.returncode == 0 else "the filler itself was refused"


def long_note() -> list[dict[str, Any]]:
    """More than the 100 kB from which Ray passes a payload through the store."""
    filler = "Review of systems is otherwise negative. The patient is resting comfortably.\n" * 1600
    return [{"document_id": "long", "text": f"HPI\n{filler}\nASSESSMENT\n1. Gout\n2. Hypertension\n"}]


async def exhaust_descriptors(stage: Stage) -> None:
    """Proxy and gateway cannot open one more file or socket for a while: the gateway by its limit, the proxy since
    idle connections take what a lowered limit leaves."""
    (proxy,), gateways = stage.service.find(kinds.PROXY), stage.service.find(kinds.GATEWAY)
    before = {process: process.rlimit(resource.RLIMIT_NOFILE) for process in (proxy, *gateways)}
    idle: list[asyncio.StreamWriter] = []
    try:
        for process, (_, hard) in before.items():
            process.rlimit(resource.RLIMIT_NOFILE, (process.num_fds() + (FREE if process == proxy else 0), hard))
        await asyncio.sleep(1)
        for _ in range(IDLE):
            _, writer = await asyncio.open_connection("127.0.0.1", stage.service.port)
            idle.append(writer)
        await asyncio.sleep(15)
    finally:
        for writer in idle:
            writer.close()
        for process, limits in before.items():
            process.rlimit(resource.RLIMIT_NOFILE, limits)


async def corrupt_weights(stage: Stage) -> str:
    """Some bytes in the middle of the weights change, then the reasoner dies; later the file is mended."""
    weights = Path(stage.model) / "model.safetensors"
    whole = weights.read_bytes()
    middle = len(whole) // 2
    weights.write_bytes(
        whole[:middle] + bytes(b ^ 0x55 for b in whole[middle : middle + 4096]) + whole[middle + 4096 :]
    )
    await kill(stage, kinds.REASONER)
    await asyncio.sleep(45)
    down = not await asyncio.to_thread(stage.service.ready)
    weights.write_bytes(whole)
    return "not ready while the file was wrong" if down else "it was READY with wrong weights"


def with_sums(stage: Stage, stack: ExitStack) -> dict[str, str]:
    from codeserve.weights import write_sums

    if stage.model == "embedded":
        raise SystemExit("corrupt-weights needs a folder of its own: --models tiny")
    write_sums(Path(stage.model))
    return {}


def small_disk(stage: Stage, stack: ExitStack) -> dict[str, str]:
    """A home on a file system of 8 MiB; what the set-up prepared is linked into it."""
    place = stage.folder / "home"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(place)], check=True)
    stack.callback(subprocess.run, ["umount", "-l", str(place)], check=False)
    for part in ("models", "tables", "index"):
        (place / part).symlink_to(home() / part)
    return {"CODESERVE_HOME": str(place)}


async def fill_disk(stage: Stage) -> str:
    """Not one byte is free, and a reasoner has to start on it."""
    place = stage.folder / "home"
    with (place / "filler").open("wb", buffering=0) as filler:
        try:
            while True:
                filler.write(b"\0" * 4096)
        except OSError:
            pass
    await kill(stage, kinds.REASONER)
    await stage.until_ready()
    return f"{shutil.disk_usage(place).free} bytes were free"


async def update_and_back(stage: Stage) -> str:
    """SIGHUP with another model, and again with the first."""
    other = make_reasoner(stage.folder / "llm-b", seed=1)
    took = []
    for model, name in ((str(other), "faults-b"), (stage.model, "faults-a")):
        stage.configure(model, name)
        told = stage.service.log.read_text().count("The new version serves")
        begun = time.monotonic()
        stage.service.process.send_signal(signal.SIGHUP)  # type: ignore[union-attr]
        while stage.service.log.read_text().count("The new version serves") == told:
            if time.monotonic() - begun > 300:
                raise RuntimeError("the update did not end")
            await asyncio.sleep(0.5)
        took.append(time.monotonic() - begun)
        if not stage.answers:
            stage.answers = await asyncio.to_thread(one_by_one, stage.service.url, bodies())
    return f"there in {took[0]:.0f} s, back in {took[1]:.0f} s"


CLOSED = frozenset({"closed"})
FAULTS = {
    fault.name: fault
    for fault in (
        Fault("kill-gateway", "SIGKILL the gateway", partial(kill, kind=kinds.GATEWAY), also_allowed=CLOSED),
        Fault("kill-proxy", "SIGKILL the HTTP proxy", partial(kill, kind=kinds.PROXY), also_allowed=CLOSED),
        Fault("kill-tagger", "SIGKILL the tagger", partial(kill, kind=kinds.TAGGER)),
        Fault("kill-reasoner", "SIGKILL the reasoner", partial(kill, kind=kinds.REASONER)),
        Fault("kill-reasoner-ten", "SIGKILL the reasoner ten times", kill_ten_times),
        Fault("kill-engine", "SIGKILL the engine's core", partial(kill, kind=kinds.ENGINE)),
        Fault("kill-controller", "SIGKILL Serve's controller", partial(kill, kind=kinds.CONTROLLER)),
        Fault("kill-agent", "SIGKILL the runtime-env agent of Ray's node, which ends with it", kill_agent,
              also_allowed=CLOSED),
        Fault("stop-engine", "SIGSTOP the engine's core", stop_engine),
        Fault("slow-tagger", "the tagger runs a tenth of the time for 20 s", slow_tagger),
        Fault("fill-object-store", "the object store full twice over for 15 s", fill_object_store, small_store,
              bodies=long_note),
        Fault("exhaust-descriptors", "no file descriptor left for 15 s", exhaust_descriptors, fresh_connections=True),
        Fault("corrupt-weights", "weights changed on disk, the reasoner killed", corrupt_weights, with_sums),
        Fault("full-disk", "the home folder full, the reasoner killed", fill_disk, small_disk),
        Fault("update", "another model version by SIGHUP, and back", update_and_back),
    )
}  # fmt: skip


async def nothing(stage: Stage) -> None:
    """The end of a session is not an act of its own."""


SIGTERM = Fault("sigterm", "SIGTERM, the requests that were inside", nothing)
