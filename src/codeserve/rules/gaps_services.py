"""Gaps of services: the reason, the minutes, the dose, number, size; and a body mass index without a diagnosis."""

from __future__ import annotations

from collections.abc import Iterator

from codeserve.notes.spans import Span
from codeserve.rules.doses import states_dose
from codeserve.rules.em_visit import total_minutes
from codeserve.rules.gaps_words import Asked, Gap, by_time_only, first, gap, quoted
from codeserve.rules.reading import Sentence, pattern
from codeserve.rules.tables import rows

NORMAL_BMI = (18.5, 25.0)


def service_gaps(asked: Asked) -> Iterator[Gap]:
    """A dose that is missing is asked for with its route, so the route alone is not asked beside it."""
    of_codes = tuple(_procedures(asked))
    yield from of_codes
    yield from _discharge(asked)
    doses = any(one.kind == "dose-missing" for one in of_codes)
    yield from (one for one in _done(asked) if not (doses and one.kind == "route-missing"))
    yield from _bmi(asked)


def _procedures(asked: Asked) -> Iterator[Gap]:
    text = asked.document.text
    for p in asked.procedures:
        if not p.evidence:
            continue
        told = {"term": quoted(text, p.evidence[0])}
        if not p.diagnosis_pointers:
            yield gap("procedure-without-diagnosis", p.evidence[:1], (p.code,), **told)
        code = asked.codesets.procedures.get(p.code)
        if code and "dose" in code.needs and not any(states_dose(span.of(text)) for span in p.evidence):
            yield gap("dose-missing", p.evidence[:1], (p.code,), **told)


def _discharge(asked: Asked) -> Iterator[Gap]:
    if asked.em and asked.em.code in by_time_only() and not total_minutes(asked.document, asked.reading.encounter)[0]:
        yield gap("time-missing", (), (asked.em.code,), term="the discharge")


def _done(asked: Asked) -> Iterator[Gap]:
    """What services leave open that the note tells as done (gap_services.tsv): one question a row."""
    for row in rows("gap_services.tsv"):
        if not pattern(row["words"]).search(asked.document.text):
            continue
        for sentence in asked.reading.within("any"):
            match = pattern(row["words"]).search(sentence.text)
            if match and not first(sentence.text, "not_done"):
                if not pattern(row["known"]).search(_where(row["where"], sentence, asked)):
                    span = Span(*match.span()).shift(sentence.span.start)
                    yield gap(row["kind"], (span,), term=quoted(asked.document.text, span))
                break


def _where(where: str, sentence: Sentence, asked: Asked) -> str:
    """The text in which the answer may stand: the sentence, its section or the whole note."""
    if where == "sentence":
        return sentence.text
    text = asked.document.text
    return text if where == "note" else asked.document.section_at(sentence.span.start).span.of(text)


def _bmi(asked: Asked) -> Iterator[Gap]:
    text = asked.document.text
    match = first(text, "bmi")
    adult = (asked.reading.encounter.age or 20) >= 20
    if not match or not adult or NORMAL_BMI[0] <= float(match["value"]) < NORMAL_BMI[1]:
        return
    named = any(d.code.startswith(("E66", "R63", "E40", "E41", "E43", "E44", "E46")) for d in asked.diagnoses)
    if not named and not first(text, "bmi_diagnosis"):
        yield gap("bmi-without-diagnosis", (Span(*match.span()),), value=match["value"])
