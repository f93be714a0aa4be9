"""`codeserve hcc`: charts of many patients in, a review list of one year out, where recapture may change most first.

A chart is a line of JSON (hcc_chart.py). Its notes are read without the LLM and parted by their date of service: those
of the year say what is documented, those before it what was. A broken line becomes a problem in its place.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import islice
from pathlib import Path
from typing import Any

import orjson

from codeserve.api.parse import parse
from codeserve.api.schemas import Encounter
from codeserve.artifacts import write_whole
from codeserve.errors import CodeserveError, InvalidNote, SetupError, TooLarge
from codeserve.hcc_answer import model_of, order_of, question_of
from codeserve.hcc_chart import Chart, ChartNote
from codeserve.notes.spans import Span
from codeserve.pipeline import Coded
from codeserve.rules.gaps import Gap
from codeserve.rules.reading import Reading
from codeserve.rules.risk import Asked, Earlier, counted, risk_of
from codeserve.rules.risk_adjustment import MODELS, Score
from codeserve.rules.suspects import Quote, Read

UNSUPPORTED = ("meat-missing", "no-support")
INTERNAL = "internal"


@dataclass(frozen=True, slots=True)
class Reader:
    """How notes are read: `read` codes one, `gaps` says what it leaves open, `mentions` which codes its words
    stand for, assessed or not; `name` takes a code to its description."""

    read: Callable[[str, Encounter], Awaitable[Coded]]
    gaps: Callable[[Coded], Sequence[Gap]]
    name: Callable[[str], str]
    mentions: Callable[[Coded], Sequence[tuple[str, Span]]]
    max_text_chars: int


@dataclass(frozen=True, slots=True)
class Note:
    """A note of a chart, read."""

    sent: ChartNote
    coded: Coded
    read: Read
    gaps: tuple[Gap, ...]
    mentions: tuple[tuple[str, Span], ...]

    @property
    def codes(self) -> dict[str, float]:
        """What counts for the year, with its confidence; nothing of a visit by telephone alone."""
        if not self.sent.counts:
            return {}
        counting = counted(self.coded.diagnoses)
        return {d.code: d.confidence for d in self.coded.diagnoses if d.code in counting}

    def unsupported(self, code: str) -> Gap | None:
        """The open question of how a condition was monitored, evaluated, assessed or treated at this visit."""
        return next((gap for gap in self.gaps if gap.kind in UNSUPPORTED and code in gap.codes), None)


async def review(line: bytes, reader: Reader, year: int, today: date) -> dict[str, Any]:
    """One patient's line of the list.

    Raises CodeserveError for a line that is no chart or holds too long a note, and what `reader` raises.
    """
    chart = parse(Chart, line, reader.max_text_chars)
    if any(len(note.text) > reader.max_text_chars for note in chart.notes):
        raise TooLarge(f"A note has more than {reader.max_text_chars} characters", field="notes")
    notes = [await _read(note, reader) for note in chart.notes if note.place(year) in ("this_year", "earlier")]
    now = [note for note in notes if note.sent.place(year) == "this_year"]
    before = [note for note in notes if note.sent.place(year) == "earlier"]
    codes = tuple(dict.fromkeys((*chart.documented_diagnoses, *(code for note in now for code in note.codes))))
    person = chart.person.person()
    risk = risk_of(
        codes,
        _earlier(chart, before),
        [note.read for note in now],
        [note.read for note in before],
        person,
        reader.name,
        f"in {year} so far" if today.year <= year else f"in {year}",
        lambda code: _named(code, now),
    )
    support = {code: _open(code, now) for note in now for code in note.codes}
    asked = [*risk.questions, *_support(risk.scores, support)]
    visits = [note.sent.encounter.date_of_service for note in now if note.sent.counts]
    return {
        "patient_id": chart.patient_id,
        "year": year,
        **order_of(risk.scores, asked, year, today, max((day for day in visits if day), default=None)),
        "person": person.inputs,
        "assumed": person.assumed,
        "models": [model_of(score, _told(now, support), reader.name) for score in risk.scores],
        "questions": [question_of(one) for one in asked],
        "notes": {
            place: sum(note.place(year) == place for note in chart.notes)
            for place in ("this_year", "earlier", "later", "undated")
        },
    }


def _told(now: Sequence[Note], support: Mapping[str, tuple[Note, Gap] | None]) -> dict[str, dict[str, Any]]:
    """Of each code that the year's notes suggest: how surely, in which, and whether what was done about it is shown."""
    return {
        code: {
            "supported": not found,
            "confidence": max(note.codes[code] for note in now if code in note.codes),
            "documents": [note.sent.document_id for note in now if code in note.codes],
        }
        for code, found in support.items()
    }


def _named(code: str, now: Sequence[Note]) -> tuple[Quote, ...]:
    """The first words in the newest note of the year that stand for a code of the same category."""
    newest = sorted(now, key=lambda note: note.read.day or date.min, reverse=True)
    found = (Quote(note.read, span) for note in newest for named, span in note.mentions if named[:3] == code[:3])
    return tuple(islice(found, 1))


async def _read(note: ChartNote, reader: Reader) -> Note:
    coded = await reader.read(note.text, note.encounter)
    reading = Reading.of(coded.document, coded.entities, coded.encounter)
    read = Read(note.document_id, note.encounter.date_of_service, reading)
    return Note(note, coded, read, tuple(reader.gaps(coded)), tuple(reader.mentions(coded)))


def _earlier(chart: Chart, before: Sequence[Note]) -> list[Earlier]:
    """Codes of earlier years, those of notes with their year and the words that they rest on."""
    found = [Earlier(code) for code in chart.prior_diagnoses]
    found += [Earlier(code) for note in chart.notes for code in note.encounter.prior_diagnoses]
    for note in before:
        for d in note.coded.diagnoses:
            if d.code in note.codes and note.read.day:
                quotes = tuple(Quote(note.read, span) for span in d.evidence[:1])
                found.append(Earlier(d.code, (note.read.day.year,), quotes))
    return found


def _open(code: str, now: Sequence[Note]) -> tuple[Note, Gap] | None:
    """The newest note whose support of a code is open, where no note of the year supports it."""
    held = [note for note in now if code in note.codes]
    gaps = [(note, gap) for note in held if (gap := note.unsupported(code))]
    return max(gaps, key=lambda one: one[0].read.day or date.min) if len(gaps) == len(held) else None


def _support(scores: Sequence[Score], support: dict[str, tuple[Note, Gap] | None]) -> list[Asked]:
    carried = {one.code for score in scores for one in score.carried if one.origin == "documented"}
    return [
        Asked("support", gap.question, (code,), tuple(Quote(note.read, span) for span in gap.spans), gap.source)
        for code, found in support.items()
        if code in carried and found
        for note, gap in [found]
    ]


async def review_safely(line: bytes, number: int, reader: Reader, year: int, today: date) -> dict[str, Any]:
    """The patient's line, or what is wrong with it: one bad chart never stops the others."""
    try:
        return {"line": number, **await review(line, reader, year, today)}
    except SetupError:
        raise
    except CodeserveError as error:
        return {"line": number, "problem": error.type, "detail": error.detail, "field": error.field}
    except Exception as error:  # whatever a chart brings to light; its words could hold a note
        return {"line": number, "problem": INTERNAL, "detail": f"unexpected {type(error).__name__}", "field": ""}


def ranked(lines: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """By the change that recapture may bring, V28 before V24, then by open questions, then by patient; the days left
    are the same for all. Problems stand behind, in their order. A patient whose line came before is a problem."""
    unique: dict[str, dict[str, Any]] = {}
    problems: list[dict[str, Any]] = []
    for line in lines:
        if "problem" in line:
            problems.append(line)
        elif line["patient_id"] in unique:
            first = unique[line["patient_id"]]["line"]
            detail = f"the patient of line {first} again: put all notes of a patient on one line"
            problems.append(
                {"line": line["line"], "problem": InvalidNote.type, "detail": detail, "field": "patient_id"}
            )
        else:
            unique[line["patient_id"]] = line
    listed = sorted(unique.values(), key=_rank)
    return [{"rank": rank, **line} for rank, line in enumerate(listed, 1)] + problems


def _rank(line: dict[str, Any]) -> tuple[Any, ...]:
    order = line["order"]
    return (*(-order["expected_change"][model] for model in MODELS), -order["open_questions"], line["patient_id"])


def write(target: Path, lines: Iterable[dict[str, Any]]) -> None:
    """JSON Lines, whole or not at all; readable by its owner only."""
    write_whole(target, (orjson.dumps(line) for line in lines))
