"""Measure the service against what else one could run, and write the report.

    python -m benchmarks run --models real --out runs/bench      # all arms; `make bench` does this, then the report
    python -m benchmarks run --short --models tiny --arms codeserve,offline
    python -m benchmarks growth --models tiny
    python -m benchmarks replicas
    python -m benchmarks soak --seconds 900
    python -m benchmarks report --out runs/bench --page docs/benchmarks.md

Raw results stay as JSON in the run's folder; the report needs nothing else.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from benchmarks import measure, report
from benchmarks.settings import MODELS
from codeserve.config import home, keep_to_home
from codeserve.errors import CodeserveError

ARMS = ("offline", *measure.SERVERS)
DEFAULT = ",".join(ARMS)
console = Console(stderr=True)


def main() -> int:
    args = _arguments()
    keep_to_home(home())
    args.out.mkdir(parents=True, exist_ok=True)
    plan = measure.SHORT if args.short else measure.Plan()
    plan = replace(
        plan,
        seconds=args.seconds or plan.seconds,
        repetitions=args.repetitions or plan.repetitions,
        levels=tuple(map(int, args.levels.split(","))) if args.levels else plan.levels,
        rates=tuple(map(float, args.rates.split(","))) if args.rates else plan.rates,
    )
    try:
        {"run": _run, "growth": _growth, "replicas": _replicas, "soak": _soak, "report": _report}[args.what](args, plan)
    except CodeserveError as error:
        console.print(f"[bold red]benchmarks:[/] {error.detail} {error.hint}")
        return 1
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=("run", "growth", "replicas", "soak", "report"))
    parser.add_argument("--arms", default=DEFAULT, help=f"comma-separated; all: {DEFAULT}")
    parser.add_argument("--models", choices=MODELS, default="real")
    parser.add_argument("--seconds", type=float, help="of each counted block; of the whole soak")
    parser.add_argument("--repetitions", type=int, help="of each block, 3 or more for figures that are reported")
    parser.add_argument("--levels", help="callers of the service's closed loop, as 1,4,16")
    parser.add_argument("--rates", help="of its open loop, as shares of saturation: 0.5,0.8,1.2")
    parser.add_argument("--short", action="store_true", help="one repetition of a few seconds: does it run at all?")
    parser.add_argument("--out", type=Path, default=Path("runs/bench"), help="the run's folder")
    parser.add_argument("--page", type=Path, default=Path("docs/benchmarks.md"), help="where the report goes")
    return parser.parse_args()


def _say(text: str) -> None:
    console.print(f"{time.strftime('%H:%M:%S')} {text}", highlight=False)


def _run(args: argparse.Namespace, plan: measure.Plan) -> None:
    """Every arm, one after the other: two at a time would share the cores."""
    folder = args.out / args.models
    folder.mkdir(parents=True, exist_ok=True)
    for name in args.arms.split(","):
        if name not in ARMS:
            raise SystemExit(f"there is no arm {name!r}; there are {DEFAULT}")
        began = datetime.now(UTC).isoformat(timespec="seconds")
        measure.arm(name, args.models, plan, folder, _say)
        entry = {
            "arm": name,
            "began": began,
            "command": " ".join(["python -m benchmarks", *sys.argv[1:]]),
            "machine": measure.machine(),
            "seconds": plan.seconds,
            "warm_s": plan.warm_s,
            "repetitions": plan.repetitions,
        }
        with (folder / "run.jsonl").open("a") as log:
            log.write(json.dumps(entry) + "\n")


def _growth(args: argparse.Namespace, plan: measure.Plan) -> None:
    lengths = measure.LENGTHS[:2] if args.short else measure.LENGTHS
    folder = args.out / args.models
    folder.mkdir(parents=True, exist_ok=True)
    measure.growth(args.models, folder, _say, lengths)


def _replicas(args: argparse.Namespace, plan: measure.Plan) -> None:
    folder = args.out / "tiny"
    folder.mkdir(parents=True, exist_ok=True)
    measure.replicas(folder, plan, _say)


def _soak(args: argparse.Namespace, plan: measure.Plan) -> None:
    folder = args.out / args.models
    folder.mkdir(parents=True, exist_ok=True)
    measure.soak(args.models, folder, args.seconds or (20 if args.short else 900), _say)


def _report(args: argparse.Namespace, plan: measure.Plan) -> None:
    report.write(args.out, args.page)
    _say(f"written to {args.page}")


if __name__ == "__main__":
    sys.exit(main())
