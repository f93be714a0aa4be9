"""Start the service, load it with a scenario, judge, stop it. Exits with 0: objectives met, 1: missed, 2: no run."""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from rich.console import Console

from benchmarks.processes import ROOT
from codeserve.errors import SetupError
from loadtest import generator, service
from loadtest import scenario as scenarios
from loadtest.scenario import Scenario
from loadtest.summary import show
from loadtest.target import KEYS, Order, read_keys, refuse_foreign

GRACE_S = 120  # for the start of Locust, the last answers and the report
EXAMPLES = """examples:
  python -m loadtest clinic-day
  python -m loadtest bad-clients --models stub --minutes 0.5
  python -m loadtest morning-peak --workers 2
  python -m loadtest my-scenario.yaml --url https://codeserve.staging.example --own-host   (keys in LOADTEST_KEYS)
"""


def main(arguments: Sequence[str] | None = None) -> int:
    options = parse(arguments)
    console = Console()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # what was started is ended on the way out
    try:
        chosen = scenarios.load(scenarios.path_of(options.scenario), options.minutes)
        with target(options, chosen, console) as (url, keys):
            summary = run(options, chosen, url, keys, console)
    except SetupError as error:
        print(f"loadtest: {error.detail}\n  {error.hint or ''}", file=sys.stderr)
        return 2
    show(summary, console)
    console.print(f"Report: {folder_of(options)}/report.html", highlight=False)
    return 0 if summary["met"] else 1


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m loadtest",
        description=__doc__,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("scenario", help=f"{', '.join(scenarios.names())}, or a YAML file")
    parser.add_argument("--minutes", type=float, help="length of the run; the scenario's if not given")
    parser.add_argument("--models", choices=service.MODELS, default="embedded", help="of the service that is started")
    parser.add_argument("--workers", type=int, default=0, help="Locust processes beside a master; none: one process")
    parser.add_argument("--out", type=Path, default=ROOT / "runs/loadtest", help="results go to its folder SCENARIO")
    parser.add_argument("--url", help="load this running service and start none; secrets by key in " + KEYS)
    parser.add_argument("--own-host", action="store_true", help="URL may be another machine: it is yours to load")
    return parser.parse_args(arguments)


@contextmanager
def target(options: argparse.Namespace, chosen: Scenario, console: Console) -> Iterator[tuple[str, Mapping[str, str]]]:
    """What is loaded, and the secrets. Raises SetupError."""
    if options.url:
        refuse_foreign(options.url, options.own_host)
        keys = read_keys(os.environ)
        if missing := set(chosen.keys) - set(keys):
            raise SetupError(f"{KEYS} lacks {', '.join(sorted(missing))}", hint='a JSON object {"name": "cs_…"}')
        yield options.url, keys
        return
    with TemporaryDirectory(prefix="codeserve-loadtest-") as name, ExitStack() as stack:
        with console.status(f"Starting the service ({options.models} models) …"):
            found = stack.enter_context(service.started(chosen, options.models, Path(name)))
        yield found
        console.print("Stopping the service …", style="dim")


def run(
    options: argparse.Namespace, chosen: Scenario, url: str, keys: Mapping[str, str], console: Console
) -> dict[str, Any]:
    """Locust until its end; what its master wrote, with where and when. Raises SetupError where it wrote nothing."""
    folder = folder_of(options).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    summary = folder / "summary.json"
    summary.unlink(missing_ok=True)
    order = Order(scenarios.path_of(options.scenario), options.minutes, keys, summary, options.own_host)
    load = os.getloadavg()
    last = max(traffic.timeout_s for traffic in chosen.traffic.values())
    limit = chosen.minutes * 60 + last + GRACE_S
    todo = generator.commands(url, folder, last + 10, options.workers)
    with generator.processes(todo, order, folder / "locust.log") as master:
        code = generator.watch(master, f"{folder.name} against {url}", chosen.minutes * 60, limit, console)
    if not summary.exists():
        ended = f"ended with {code}" if code is not None else f"was not done after {limit:.0f} s"
        raise SetupError(f"Locust {ended}, without a result", hint=f"see {folder / 'locust.log'}")
    told: dict[str, Any] = json.loads(summary.read_text())
    told["run"] = {
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
        "models": None if options.url else options.models,
        "workers": options.workers,
        "machine": f"{os.cpu_count()} cores, {platform.machine()}",
        "load_average": {"before": round(load[0], 2), "after": round(os.getloadavg()[0], 2)},
    }
    summary.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    return told


def folder_of(options: argparse.Namespace) -> Path:
    return Path(options.out) / Path(options.scenario).stem


if __name__ == "__main__":
    sys.exit(main())
