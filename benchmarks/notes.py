"""The notes of every arm: the examples and the gold notes of our own, as request bodies."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from codeserve.evaluation import gold

ROOT = Path(__file__).parents[1]
SETS = ("general", "facility")
Body = dict[str, Any]


def bodies() -> list[Body]:
    """Bodies of POST /v1/extract-codes, in one fixed order."""
    known = json.loads((ROOT / "examples/encounters.json").read_text())
    notes = sorted((ROOT / "examples/notes").glob("*.txt"))
    examples = [{"document_id": n.stem, "text": n.read_text(), "encounter": known[n.stem]} for n in notes]
    folder = ROOT / "evaluation/gold"
    own = gold.read([folder / f"{s}_notes.jsonl" for s in SETS], [folder / f"{s}_gold.jsonl" for s in SETS])
    return [*examples, *(note.request for note in own)]


def of_length(characters: int) -> Body:
    """One body whose text is this long: notes one behind the other, a visit each, cut at the end of a line."""
    text, rest = "", bodies()
    while len(text) < characters:
        text += rest[len(text) % len(rest)]["text"].strip() + "\n\n"
    cut = text.rfind("\n", 0, characters)
    return {"document_id": f"long-{characters}", "text": text[: cut if cut > 0 else characters]}
