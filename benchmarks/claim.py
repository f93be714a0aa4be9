"""How long the edits of a claim of 12 lines take, with as many NCCI pairs as CMS's file holds.

    python benchmarks/claim.py [--pairs 2000000] [--runs 2000]

A file in CMS's form is written and imported first: seconds and memory of that are printed too. Then microseconds: a
lookup of the claim's pairs alone, and all edits. The pairs are made up; their number is CMS's.
"""

from __future__ import annotations

import argparse
import random
import resource
import tempfile
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path

from codeserve.codesets import CodeSets
from codeserve.codesets.imports import KINDS, import_table
from codeserve.config import home
from codeserve.rules.claim import Claim, Line, validate
from codeserve.rules.encounter import Encounter
from codeserve.rules.payer_rules import examples
from codeserve.setup import artifacts

DAY = date(2026, 5, 4)
FROM = date(2026, 4, 1)
DIAGNOSES = ["M17.11", "E11.9", "I10", "L57.0", "J44.9", "Z23"]
CODES = ("99214", "20610", "93000", "17000", "17003", "11102", "90471", "90686", "94010", "36415", "J3301", "81002")
HEADER = (
    "Column 1\tColumn 2\t*=in existence prior to 1996\tEffective Date\tDeletion Date\tModifier\tPTP Edit Rationale\n"
)


def write_made_up(path: Path, number: int) -> None:
    """Random codes, among which a claim's own stand about as often as others."""
    draw = random.Random(1)
    codes = [f"{draw.randrange(100, 99999):05d}" for _ in range(12_000)] + list(CODES)
    with path.open("w") as file:
        file.write(HEADER)
        file.writelines(
            f"{draw.choice(codes)}\t{draw.choice(codes)}\t\t20260101\t*\t1\tmade up\n" for _ in range(number)
        )


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
        source = Path(folder) / "pairs.txt"
        write_made_up(source, told.pairs)
        begun = time.perf_counter()
        report = import_table(Path(folder), KINDS["ncci-ptp"], [source], FROM)
        seconds = time.perf_counter() - begun
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024 / 1024
        print(f"{report.rows:,} pairs imported in {seconds:.0f} s, at most {memory:.1f} GiB of memory")
        codesets = CodeSets.load(artifacts(home()).tables, Path(folder))
        lines = [Line(code, (), 1, (1, 2)) for code in CODES]
        claim = Claim.of(Encounter(date_of_service=DAY, age=67, sex="male"), DIAGNOSES, lines, codesets)
        rules = examples()
        validate(claim, codesets, rules)
        print(f"{len(CODES)} lines, {len(DIAGNOSES)} diagnoses, {told.runs} runs")
        for name, work in (
            ("pairs of the claim", lambda: codesets.reference.pairs(CODES, DAY)),
            ("all edits", lambda: validate(claim, codesets, rules)),
        ):
            p50, p95 = microseconds(work, told.runs)
            print(f"{name:20} p50 {p50:8.1f} us   p95 {p95:8.1f} us")


if __name__ == "__main__":
    main()
