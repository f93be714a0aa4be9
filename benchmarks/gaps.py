"""How long the open questions of a note take in this process, without HTTP.

    python benchmarks/gaps.py NOTES.jsonl [--least 2500] [--runs 3]

NOTES holds a `text` a line; shorter ones than --least characters are left out. Prints milliseconds by stage.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from pathlib import Path

import orjson

from codeserve.config import AppSettings, home, keep_to_home

keep_to_home(home())


async def measure(texts: list[str], runs: int) -> tuple[list[float], dict[str, float], int]:
    """Seconds of each note, the mean of each stage, and how many questions one pass asks."""
    from codeserve.api.schemas_checks import GapsRequest
    from codeserve.local import quick_service

    service = quick_service(AppSettings())
    requests = [GapsRequest(text=text) for text in texts]
    asked = sum([len((await service.gaps(request))[0].documentation_gaps) for request in requests])  # also warms up
    whole: list[float] = []
    stages: dict[str, float] = {}
    for request in requests * runs:
        begun = time.perf_counter()
        _, timings = await service.gaps(request)
        whole.append(time.perf_counter() - begun)
        for name, seconds in timings.seconds.items():
            stages[name] = stages.get(name, 0.0) + seconds / (len(requests) * runs)
    return sorted(whole), stages, asked


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("notes", type=Path)
    options.add_argument("--least", type=int, default=2500)
    options.add_argument("--runs", type=int, default=3)
    told = options.parse_args()
    texts = [orjson.loads(line)["text"] for line in told.notes.read_bytes().splitlines()]
    texts = [text for text in texts if len(text) >= told.least]
    whole, stages, asked = asyncio.run(measure(texts, told.runs))
    p50, p95 = whole[len(whole) // 2] * 1000, whole[int(len(whole) * 0.95)] * 1000
    print(f"{len(texts)} notes of {told.least} characters and more, {asked / len(texts):.2f} questions a note")
    print(f"p50 {p50:.0f} ms   p95 {p95:.0f} ms")
    print("   ".join(f"{name} {seconds * 1000:.1f}" for name, seconds in stages.items()))


if __name__ == "__main__":
    main()
