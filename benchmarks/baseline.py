#!/usr/bin/env python
"""Baseline figures of the whole service on this machine: start-up, notes a second, latency by stage, memory.

    python benchmarks/baseline.py --seconds 40 --out docs/benchmarks.md

Closed loop over loopback with the example notes; each level of concurrency runs after a warm-up.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import json
import os
import platform
import re
import signal
import socket
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from datetime import date
from itertools import cycle
from pathlib import Path

import httpx
import psutil
from rich.console import Console

ROOT = Path(__file__).parents[1]
LEVELS = (1, 4, 16)
STAGE = re.compile(r"(\w+);dur=([\d.]+)")
console = Console()


def bodies() -> list[dict]:
    known = json.loads((ROOT / "examples/encounters.json").read_text())
    notes = sorted((ROOT / "examples/notes").glob("*.txt"))
    return [{"document_id": n.stem, "text": n.read_text(), "encounter": known[n.stem]} for n in notes]


def start() -> tuple[subprocess.Popen, str, float]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [str(Path(sys.executable).parent / "codeserve"), "serve", "--port", str(port)]
    begun = time.monotonic()
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, env=dict(os.environ))
    url = f"http://127.0.0.1:{port}"
    while process.poll() is None:
        try:
            if httpx.get(f"{url}/readyz", timeout=30, trust_env=False).status_code == 200:
                return process, url, time.monotonic() - begun
        except httpx.TransportError:
            pass
        time.sleep(0.25)
    raise SystemExit("the service did not start: see `codeserve doctor`")


def load(url: str, workers: int, seconds: float) -> dict:
    """One level of concurrency: answers, latencies and seconds by stage."""
    notes: Iterator[dict] = cycle(bodies())
    until = time.monotonic() + seconds
    latencies: list[float] = []
    stages: dict[str, list[float]] = defaultdict(list)

    def work(client: httpx.Client) -> None:
        while time.monotonic() < until:
            begun = time.monotonic()
            answer = client.post(f"{url}/v1/extract-codes", json=next(notes), timeout=300)
            answer.raise_for_status()
            latencies.append(time.monotonic() - begun)
            for name, ms in STAGE.findall(answer.headers.get("Server-Timing", "")):
                stages[name].append(float(ms))

    begun = time.monotonic()
    with httpx.Client(trust_env=False) as client, concurrent.futures.ThreadPoolExecutor(workers) as pool:
        for done in [pool.submit(work, client) for _ in range(workers)]:
            done.result()
    spent = time.monotonic() - begun
    cuts = statistics.quantiles(latencies, n=100) if len(latencies) > 1 else [latencies[0]] * 99
    return {
        "concurrency": workers,
        "notes": len(latencies),
        "notes_per_s": round(len(latencies) / spent, 2),
        "p50_s": round(cuts[49], 3),
        "p95_s": round(cuts[94], 3),
        "stages_ms": {name: round(statistics.median(values), 1) for name, values in stages.items()},
    }


def memory(process: subprocess.Popen) -> dict[str, int]:
    """Resident MiB by kind of process."""
    total: dict[str, int] = defaultdict(int)
    for child in psutil.Process(process.pid).children(recursive=True):
        try:
            name = " ".join(child.cmdline())
            resident = child.memory_info().rss // 2**20
        except psutil.NoSuchProcess:
            continue
        for kind in (
            "Gateway",
            "EntityTagger",
            "Reasoner",
            "EngineCore",
            "VLLM::Worker",
            "ProxyActor",
            "raylet",
            "gcs_server",
        ):
            if kind in name or kind in child.name():
                total[kind] += resident
                break
    return dict(total)


def report(startup: float, levels: list[dict], resident: dict[str, int], seconds: float) -> str:
    lines = [
        "# Benchmarks",
        "",
        "Baseline of the whole service with the embedded models. Machines differ: compare figures of one run only.",
        "",
        f"Command: `python benchmarks/baseline.py --seconds {seconds:g}` on {date.today()}, {os.cpu_count()} cores "
        f"({platform.machine()}), no GPU. The load generator shares the cores.",
        "",
        f"- Start to ready (prepared before): {startup:.0f} s",
        "",
        "| concurrent requests | notes | notes/s | p50 s | p95 s |",
        "|---|---|---|---|---|",
    ]
    for level in levels:
        lines.append("| {concurrency} | {notes} | {notes_per_s} | {p50_s} | {p95_s} |".format(**level))
    lines += ["", "Median milliseconds by stage (`Server-Timing`):", ""]
    names = list(levels[0]["stages_ms"])
    lines += ["| concurrent requests | " + " | ".join(names) + " |", "|---" * (len(names) + 1) + "|"]
    for level in levels:
        values = [str(level["stages_ms"].get(name, "")) for name in names]
        lines.append(f"| {level['concurrency']} | " + " | ".join(values) + " |")
    lines += ["", "Resident memory, MiB:", "", "| process | MiB |", "|---|---|"]
    lines += [f"| {name} | {size} |" for name, size in sorted(resident.items(), key=lambda x: -x[1])]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=40, help="length of each level")
    parser.add_argument("--out", type=Path, default=ROOT / "docs/benchmarks.md")
    args = parser.parse_args()
    with console.status("starting the service"):
        process, url, startup = start()
    try:
        load(url, 2, min(10, args.seconds))
        levels = []
        for workers in LEVELS:
            with console.status(f"{workers} concurrent requests"):
                levels.append(load(url, workers, args.seconds))
            console.print(levels[-1])
        text = report(startup, levels, memory(process), args.seconds)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=90)
    args.out.write_text(text)
    console.print(f"written to {args.out}")


if __name__ == "__main__":
    main()
