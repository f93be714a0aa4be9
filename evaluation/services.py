"""Procedures, modifiers, units and E/M levels against gold, by the quick reading (no tagger, no LLM), each half apart.

    python evaluation/services.py [--set general] [--part tune] [--errors] [--json FILE]
    python evaluation/services.py --notes NOTES.jsonl --gold GOLD.jsonl

Without arguments all gold notes of this repository, in seconds. `--errors` lists the codes that differ, note by note,
and needs `--part tune`: whoever writes rules reads that half alone.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from codeserve.api.schemas import ExtractRequest
from codeserve.config import AppSettings
from codeserve.evaluation.gold import Note, Service, read
from codeserve.evaluation.services import services, suggested
from codeserve.local import quick_service
from codeserve.pipeline import Coded

GOLD = Path(__file__).parent / "gold"


@dataclass(frozen=True, slots=True)
class Outcome:
    note: Note
    coded: Coded


def sets(args: argparse.Namespace) -> dict[str, tuple[Note, ...]]:
    """The notes with gold for services, by the name of the set and its part."""
    if args.notes:
        files = {"given": (args.notes, args.gold)}
    else:
        names = args.set or sorted(path.name.removesuffix("_notes.jsonl") for path in GOLD.glob("*_notes.jsonl"))
        files = {name: ([GOLD / f"{name}_notes.jsonl"], [GOLD / f"{name}_gold.jsonl"]) for name in names}
    found: dict[str, tuple[Note, ...]] = {}
    for name, (notes, gold) in files.items():
        known = [note for note in read(notes, gold) if note.gold.services is not None]
        for part in sorted({note.part for note in known}):
            if part == args.part or not args.part:
                found[f"{name} {part}".strip()] = tuple(note for note in known if note.part == part)
    return found


async def coded(notes: Sequence[Note]) -> list[Outcome]:
    service = quick_service(AppSettings.model_validate({"model_set": {"retriever": {"dense": False}}}))
    requests = [ExtractRequest.model_validate_json(orjson.dumps(note.request)) for note in notes]
    read_ = [await service.read_quickly(request.text, request.encounter) for request in requests]
    return [Outcome(note, one) for note, one in zip(notes, read_, strict=True)]


def line(name: str, found: dict[str, Any]) -> str:
    own, modified = found["procedures"], found["procedures with modifiers"]
    scores = (
        f"P {own['precision']:.3f} R {own['recall']:.3f} F1 {own['f1']:.3f} ({own['low']:.3f} to {own['high']:.3f})"
    )
    numbers = f"{own['right']} right, {own['suggested']} suggested, {own['gold']} gold"
    matched = [
        f"{kind} {'/'.join(map(str, found[f'{kind} right on matched codes']))}" for kind in ("modifiers", "units")
    ]
    visits = ", ".join(f"{kind} {count}" for kind, count in found["em"].items())
    return (
        f"{name:13} {found['notes']:3} notes  {scores}; {numbers}; "
        f"with modifiers F1 {modified['f1']:.3f}; {', '.join(matched)}\n{'':24}E/M {visits}"
    )


def shown(one: Service) -> str:
    return f"{one.code}{'-' * bool(one.modifiers)}{'-'.join(one.modifiers)}{f' x{one.units}' if one.units > 1 else ''}"


def errors(outcome: Outcome) -> str:
    """What differs in one note; empty where nothing does."""
    gold, ours = list(outcome.note.gold.services or ()), list(suggested(outcome.coded))
    told, em = outcome.note.gold.em, outcome.coded.em.code if outcome.coded.em else None
    missed = [shown(one) for one in gold if one.code not in {o.code for o in ours}]
    extra = [shown(one) for one in ours if one.code not in {g.code for g in gold}]
    changed = [f"{shown(o)} (gold {shown(g)})" for o in ours for g in gold if o.code == g.code and shown(o) != shown(g)]
    visit = [] if em == told else [f"{em} (gold {told})"]
    parts = (("missed", missed), ("extra", extra), ("changed", changed), ("E/M", visit))
    return "; ".join(f"{kind} {', '.join(listed)}" for kind, listed in parts if listed)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--notes", type=Path, action="append")
    parser.add_argument("--gold", type=Path, action="append")
    parser.add_argument("--set", action="append", help="a set of evaluation/gold; may be given several times")
    parser.add_argument("--part", choices=("tune", "held"))
    parser.add_argument("--errors", action="store_true", help="list the differing codes of the tune half")
    parser.add_argument("--json", type=Path, help="write the figures here too")
    args = parser.parse_args()
    if bool(args.notes) != bool(args.gold):
        parser.error("--notes and --gold go together")
    if args.errors and args.part != "tune":
        parser.error("--errors shows the tune half alone: add --part tune")
    begun, known = time.perf_counter(), sets(args)
    outcomes = iter(asyncio.run(coded([note for notes in known.values() for note in notes])))
    figures: dict[str, Any] = {}
    for name, notes in known.items():
        mine = [next(outcomes) for _ in notes]
        found = services(mine)
        assert found is not None
        figures[name] = found
        print(line(name, found))
        if args.errors:
            print("\n".join(f"  {o.note.id}: {differs}" for o in mine if (differs := errors(o))))
    print(f"{time.perf_counter() - begun:.0f} s", file=sys.stderr)
    if args.json:
        args.json.write_bytes(orjson.dumps(figures, option=orjson.OPT_INDENT_2))


if __name__ == "__main__":
    main()
