"""What a patient's drugs, devices and results of a year suggest and no code of it says: questions, never codes.

Rows of data/rules/hcc_suspects.tsv. Of a result the newest counts; chronic kidney disease needs two at least three
months apart with none better between them (KDIGO).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date

from codeserve.notes.document import SectionKind
from codeserve.notes.spans import Span
from codeserve.rules.drug_use import in_use
from codeserve.rules.measured import Measure, latest, measures
from codeserve.rules.reading import Reading
from codeserve.rules.tables import rows

RECAPTURE = "recapture"


@dataclass(frozen=True, slots=True, eq=False)
class Read:
    """A note that was read; `day` is its date of service. Two are never equal."""

    document_id: str
    day: date | None
    reading: Reading


@dataclass(frozen=True, slots=True)
class Quote:
    """Words of a note; `span` indexes its `Document.text`."""

    read: Read
    span: Span


@dataclass(frozen=True, slots=True)
class Suspect:
    """`id` is the table's row; `known` are earlier codes that would explain what was found."""

    id: str
    question: str
    quotes: tuple[Quote, ...]
    known: tuple[str, ...]
    source: str


def suspected(
    now: Sequence[Read], before: Sequence[Read], codes: Iterable[str], prior: Iterable[str]
) -> tuple[Suspect, ...]:
    """`now` are the notes of the year and `codes` its codes; `before` and `prior` those of earlier years. In the
    table's order, one a row."""
    held, earlier = tuple(codes), tuple(prior)
    results = {id(read): _results(read) for read in (*before, *now)}
    found = []
    for row in rows("hcc_suspects.tsv"):
        said = tuple(row["documented_by"].split("|"))
        if row["id"] == RECAPTURE or any(code.startswith(said) for code in held):
            continue
        quotes = _measured(row, now, before, results) if row["measure"] else _named(row["words"], now)
        if quotes:
            words = ", ".join(_words(quote) for quote in quotes)
            known = tuple(code for code in earlier if code.startswith(said))
            found.append(Suspect(row["id"], row["question"].format(words=words), quotes, known, row["source"]))
    return tuple(found)


def recapture_row() -> dict[str, str]:
    """The words and the source of the questions about earlier conditions."""
    return next(row for row in rows("hcc_suspects.tsv") if row["id"] == RECAPTURE)


def _words(quote: Quote) -> str:
    return " ".join(quote.span.of(quote.read.reading.document.text).split())


def _named(words: str, now: Sequence[Read]) -> tuple[Quote, ...]:
    """The first place in the newest note that shows the use."""
    newest = sorted(now, key=lambda read: read.day or date.min, reverse=True)
    found = ((read, next(in_use(read.reading, words), None)) for read in newest)
    return next(((Quote(read, span),) for read, span in found if span), ())


def _results(read: Read) -> tuple[Measure, ...]:
    sentences = (s for s in read.reading.sentences if s.section is not SectionKind.FAMILY_HISTORY)
    return measures(read.reading.document, sentences, read.day)


def _measured(
    row: dict[str, str], now: Sequence[Read], before: Sequence[Read], results: dict[int, tuple[Measure, ...]]
) -> tuple[Quote, ...]:
    """The newest result of the year where it lies within the row's bounds; with the oldest of the same run before it
    where the row wants it to last."""
    placed = {m: read for read in (*before, *now) for m in results[id(read)] if m.name == row["measure"]}
    last = latest(m for m, read in placed.items() if read in now)
    if last is None or not _within(row, last):
        return ()
    if not row["lasting_days"]:
        return (Quote(placed[last], last.span),)
    first = _start_of_run(row, last, placed)
    if first is None or last.day is None or (last.day - (first.day or last.day)).days < int(row["lasting_days"]):
        return ()
    return (Quote(placed[first], first.span), Quote(placed[last], last.span))


def _start_of_run(row: dict[str, str], last: Measure, placed: Iterable[Measure]) -> Measure | None:
    """The oldest dated result since which all lie within the bounds."""
    dated = sorted((m for m in placed if m.day and last.day and m.day <= last.day), key=lambda m: m.day or date.min)
    first = None
    for one in reversed(dated):
        if not _within(row, one):
            break
        first = one
    return first


def _within(row: dict[str, str], one: Measure) -> bool:
    at_least, at_most = float(row["at_least"] or "-inf"), float(row["at_most"] or "inf")
    return one.low >= at_least and one.high <= at_most
