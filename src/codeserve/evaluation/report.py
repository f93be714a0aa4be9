"""Writes what was found: report.md with its plots, report.json, decisions.jsonl, a page a note to read errors by."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import orjson
from jinja2 import Environment, PackageLoader, select_autoescape

from codeserve.codesets import CodeSets
from codeserve.evaluation.plots import draw
from codeserve.evaluation.runner import Outcome
from codeserve.evaluation.summary import decisions, judge
from codeserve.rules.results import Diagnosis, Procedure

_TEMPLATES = Environment(
    loader=PackageLoader("codeserve", "data/evaluation"),
    autoescape=select_autoescape(["html.j2"]),
    trim_blocks=True,
    lstrip_blocks=True,
)
Piece = tuple[str, str]


def write(
    folder: Path, summary: dict[str, Any], outcomes: Sequence[Outcome], codesets: CodeSets, about: dict[str, str]
) -> None:
    """`about`: what was measured, when and with which versions; the first lines of the report."""
    (folder / "diff").mkdir(parents=True, exist_ok=True)
    (folder / "report.json").write_bytes(
        orjson.dumps({"about": about, **summary}, option=orjson.OPT_INDENT_2 | orjson.OPT_NON_STR_KEYS)
    )
    rows = decisions(outcomes, codesets)
    (folder / "decisions.jsonl").write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in rows))
    pictures = draw(folder, summary)
    _page(folder / "report.md", "report.md", summary=summary, about=about, pictures=pictures)
    pages = [_note_page(folder / "diff", number, o, codesets) for number, o in enumerate(outcomes, 1)]
    pages.sort(key=lambda page: page["f1"])
    _page(folder / "diff" / "index.html", "index.html", pages=pages)


def _note_page(folder: Path, number: int, outcome: Outcome, codesets: CodeSets) -> dict[str, Any]:
    """The note with its evidence marked, and both lists of codes."""
    note, judged = outcome.note, judge(outcome, codesets)
    right, suggested, gold = judged.exact()
    codes = {d.code: d for d in outcome.coded.diagnoses}
    described = {c: codesets.icd.description(c) for c in (*judged.gold, *codes)}
    page: dict[str, Any] = {
        "id": note.id,
        "file": f"{number:04}.html",  # an id may be an identifier, and file names tell
        "f1": 2 * right / (suggested + gold) if suggested + gold else 1.0,
        "missed": [c for c in judged.gold if c not in codes],
        "extra": [c for c in judged.codes if c not in judged.gold],
    }
    _page(
        folder / page["file"],
        "note.html",
        page=page,
        note=note,
        judged=judged,
        diagnoses=outcome.coded.diagnoses,
        procedures=outcome.coded.procedures,
        em=outcome.coded.em,
        described=described,
        pieces=_pieces(outcome),
    )
    return page


def _pieces(outcome: Outcome) -> list[Piece]:
    """The note in order, cut where evidence begins and ends: text and the codes that it supports."""
    text = outcome.note.text
    marks: list[tuple[int, int, str]] = []
    document = outcome.coded.document
    codes: tuple[Diagnosis | Procedure, ...] = (*outcome.coded.diagnoses, *outcome.coded.procedures)
    for code in codes:
        for span in code.evidence:
            shown = document.to_original(span)
            marks.append((shown.start, shown.end, code.code))
    edges = sorted({0, len(text), *(edge for begin, end, _ in marks for edge in (begin, end))})
    return [
        (
            text[begin:end],
            " ".join(dict.fromkeys(code for first, last, code in marks if first <= begin and end <= last)),
        )
        for begin, end in pairwise(edges)
    ]


def _page(path: Path, template: str, **values: Any) -> None:
    path.write_text(_TEMPLATES.get_template(f"{template}.j2").render(**values), encoding="utf-8")
