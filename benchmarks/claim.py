"""How long the edits of a claim of 12 lines take, with as many NCCI pairs as CMS's file holds.

    python benchmarks/claim.py [--pairs 2000000] [--runs 2000]

Prints microseconds: a lookup of the claim's pairs alone, and all edits. The pairs are made up; their number is CMS's.
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path

from codeserve.codesets import CodeSets
from codeserve.codesets.pairs import Pairs
from codeserve.codesets.reference import Reference, TableInfo, _Version
from codeserve.config import home
from codeserve.rules.claim import Claim, Line, validate
from codeserve.rules.encounter import Encounter
from codeserve.rules.payer_rules import examples
from codeserve.setup import ready

DAY = date(2026, 5, 4)
DIAGNOSES = ["M17.11", "E11.9", "I10", "L57.0", "J44.9", "Z23"]
CODES = ("99214", "20610", "93000", "17000", "17003", "11102", "90471", "90686", "94010", "36415", "J3301", "81002")


def made_up(number: int) -> Pairs:
    """Random codes, among which a claim's own stand about as often as others."""
    draw = random.Random(1)
    codes = [f"{draw.randrange(100, 99999):05d}" for _ in range(12_000)] + list(CODES)
    first = date(2020, 1, 1)
    return Pairs.make((draw.choice(codes), draw.choice(codes), "1", first, None, "made up") for _ in range(number))


def microseconds(work: Callable[[], object], runs: int) -> tuple[float, float]:
    """p50 and p95."""
    times = []
    for _ in range(runs):
        begun = time.perf_counter_ns()
        work()
        times.append((time.perf_counter_ns() - begun) / 1000)
    times.sort()
    return times[runs // 2], times[int(runs * 0.95)]


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--pairs", type=int, default=2_000_000)
    options.add_argument("--runs", type=int, default=2000)
    told = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        made_up(told.pairs).write(Path(folder))
        pairs = Pairs.open(Path(folder))
        info = TableInfo("ncci-ptp", "made up", None, None, "made up")
        own = {name: list(versions) for name, versions in Reference.load()._versions.items()}
        reference = Reference({**own, "ncci-ptp": [_Version(info, lambda: pairs)]})
        codesets = replace(CodeSets.load(ready(home()).tables), reference=reference)
        lines = [Line(code, (), 1, (1, 2)) for code in CODES]
        claim = Claim.of(Encounter(date_of_service=DAY, age=67, sex="male"), DIAGNOSES, lines, codesets)
        rules = examples()
        validate(claim, codesets, rules)
        print(f"{len(pairs):,} pairs, {len(CODES)} lines, {len(DIAGNOSES)} diagnoses, {told.runs} runs")
        for name, work in (
            ("pairs of the claim", lambda: list(reference.pairs(CODES, DAY))),
            ("all edits", lambda: validate(claim, codesets, rules)),
        ):
            p50, p95 = microseconds(work, told.runs)
            print(f"{name:20} p50 {p50:8.1f} us   p95 {p95:8.1f} us")


if __name__ == "__main__":
    main()
