"""`codeserve eval`: files in, a report out."""

from __future__ import annotations

import asyncio
import os
import platform
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from codeserve.codesets import CodeSets
from codeserve.commands import load
from codeserve.config import AppSettings, home
from codeserve.errors import InvalidNote
from codeserve.evaluation import gold, report
from codeserve.evaluation.runner import ABLATIONS, Chain, Outcome, Runner
from codeserve.evaluation.summary import summarise
from codeserve.service import versions
from codeserve.setup import ready

ALL = "all"


def evaluate(
    notes: Sequence[Path],
    answers: Sequence[Path],
    folder: Path,
    ablate: Sequence[str],
    llm: bool,
    config: Path,
    console: Console,
) -> None:
    """Raises InvalidNote for files that cannot be read and for an unknown ablation."""
    settings = load(config)
    chains = _chains(ablate, llm)
    read = gold.read(notes, answers)
    outcomes = asyncio.run(_run(settings, read, chains))
    first, *others = chains
    codesets = CodeSets.load(ready(home()).tables)
    summary = summarise(outcomes[first.name], {chain.name: outcomes[chain.name] for chain in others}, codesets)
    about = {
        "notes": ", ".join(file.name for file in notes),
        "date": date.today().isoformat(),
        "machine": f"{platform.machine()}, {len(os.sched_getaffinity(0))} cores",
        "chain": first.name,
        "versions": ", ".join(f"{name} {value}" for name, value in versions(settings.model_set, codesets).items()),
    }
    report.write(folder, summary, outcomes[first.name], codesets, about)
    exact, three = summary["diagnoses"]["exact"], summary["diagnoses"]["three_characters"]
    found = summary["calibration"]
    console.print(
        f"{summary['notes']} notes: exact F1 {exact['f1']:.3f} ({exact['low']:.3f} to {exact['high']:.3f}), "
        f"precision {exact['precision']:.3f}, recall {exact['recall']:.3f}; 3-character F1 {three['f1']:.3f}"
        + (f"; calibration error {found['ece']:.3f}" if found else "")
    )
    console.print(f"{folder}/report.md, {folder}/diff/index.html (these hold note text: keep them out of git)")


def _chains(ablate: Sequence[str], llm: bool) -> list[Chain]:
    unknown = sorted(set(ablate) - {ALL, *ABLATIONS})
    if unknown:
        raise InvalidNote(f"there is no ablation {unknown[0]!r}", hint=f"choose from {', '.join(ABLATIONS)}, {ALL}")
    named = list(ABLATIONS.values()) if ALL in ablate else [ABLATIONS[name] for name in dict.fromkeys(ablate)]
    if llm:
        return [Chain(), *named]
    quick = ABLATIONS["no-llm"]
    return [quick, *(replace(chain, llm=False) for chain in named if chain != quick)]


async def _run(settings: AppSettings, notes: Sequence[gold.Note], chains: Sequence[Chain]) -> dict[str, list[Outcome]]:
    columns = (TextColumn("{task.description:14}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    found: dict[str, list[Outcome]] = {}
    async with Runner.started(settings, llm=any(chain.llm for chain in chains)) as runner:
        with Progress(*columns, console=Console(stderr=True)) as bars:
            for chain in chains:
                task = bars.add_task(chain.name, total=len(notes))
                found[chain.name] = []
                for note in notes:
                    found[chain.name].append(await runner.run(note, chain))
                    bars.advance(task)
    return found
