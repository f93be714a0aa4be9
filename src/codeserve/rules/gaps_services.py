"""Gaps of services: the reason, the minutes, the dose; and a body mass index without a diagnosis."""

from __future__ import annotations

from collections.abc import Iterator

from codeserve.notes.spans import Span
from codeserve.rules.doses import states_dose
from codeserve.rules.em_visit import total_minutes
from codeserve.rules.gaps_words import Asked, Gap, first, gap, quoted
from codeserve.rules.tables import rows

NORMAL_BMI = (18.5, 25.0)


def service_gaps(asked: Asked) -> Iterator[Gap]:
    yield from _procedures(asked)
    yield from _times(asked)
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


def _times(asked: Asked) -> Iterator[Gap]:
    by_time_only = {row["code"] for row in rows("em_discharge.tsv")}
    if asked.em and asked.em.code in by_time_only and not total_minutes(asked.document, asked.reading.encounter)[0]:
        yield gap("time-missing", (), (asked.em.code,), term="the discharge")
    for sentence in asked.reading.within("any"):
        match = first(sentence.text, "timed")
        if match and not first(sentence.text, "minutes"):
            span = Span(*match.span()).shift(sentence.span.start)
            yield gap("time-missing", (span,), term=quoted(asked.document.text, span))
            return


def _bmi(asked: Asked) -> Iterator[Gap]:
    text = asked.document.text
    match = first(text, "bmi")
    adult = (asked.reading.encounter.age or 20) >= 20
    if not match or not adult or NORMAL_BMI[0] <= float(match["value"]) < NORMAL_BMI[1]:
        return
    named = any(d.code.startswith(("E66", "R63", "E40", "E41", "E43", "E44", "E46")) for d in asked.diagnoses)
    if not named and not first(text, "bmi_diagnosis"):
        yield gap("bmi-without-diagnosis", (Span(*match.span()),), value=match["value"])
