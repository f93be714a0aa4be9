"""Statements of one note that do not fit together (data/rules/gap_conflicts.tsv), and what is denied and assessed."""

from __future__ import annotations

import re
from collections.abc import Iterator

from codeserve.notes.document import SectionKind
from codeserve.notes.spans import Span
from codeserve.rules.combinations import is_symptom
from codeserve.rules.gaps_words import Asked, Gap, first, gap, quoted, words_of
from codeserve.rules.mdm_problems import own_text
from codeserve.rules.reading import Reading, Sentence, pattern
from codeserve.rules.results import Diagnosis, Role
from codeserve.rules.tables import rows

# What relatives have is no contradiction; what is offered or weighed up is none either.
NEVER_IN = frozenset({SectionKind.FAMILY_HISTORY, SectionKind.INSTRUCTIONS})
OTHERS = re.compile(
    r"\b(?:mother|father|sister|brother|family history|husband|wife|consider|if|former|quit|previously|stopped|start"
    r")\b",
    re.IGNORECASE,
)
RELATIVES = re.compile(r"\b(?:mother|father|sister|brother|husband|wife|son|daughter|family)\b", re.IGNORECASE)
GIVEN = "given in spite"  # rows about what is started now
LEAST_TERM = 5  # characters: shorter ones are abbreviations, which stand in other words


def conflict_gaps(asked: Asked) -> Iterator[Gap]:
    for row in rows("gap_conflicts.tsv"):
        if found := _both(row, asked.reading):
            text = asked.document.text
            told = {"one": quoted(text, found[0]), "other": quoted(text, found[1]), "topic": row["topic"]}
            yield gap("conflicting-statements", sorted(found), **told)
    for d in asked.diagnoses:
        if d.role is Role.ASSESSED and d.evidence and (denied := _denied(d, asked)):
            told = {"one": quoted(asked.document.text, denied), "other": quoted(asked.document.text, d.evidence[0])}
            yield gap("assessed-and-denied", sorted((denied, d.evidence[0])), (d.code,), code=d.code, **told)


def _both(row: dict[str, str], reading: Reading) -> tuple[Span, Span] | None:
    """The places of both statements; most rows are settled by a look at the whole text."""
    text = reading.document.text
    if not pattern(row["one"]).search(text) or not pattern(row["other"]).search(text):
        return None
    barred = [RELATIVES if GIVEN in row["topic"] else OTHERS]
    barred += [pattern(rf"\b(?:{row['but']})\b")] if row["but"] else []
    one, other = _said(row["one"], row["where"], reading), _said(row["other"], row["where"], reading, barred)
    return (one, other) if one and other and not one.overlaps(other) else None


def _said(words: str, where: str, reading: Reading, but: list[re.Pattern[str]] | None = None) -> Span | None:
    """The first place of the words, in a sentence without any of the words of `but`."""
    for sentence in reading.sentences:
        if sentence.section in NEVER_IN or (where and sentence.section is not SectionKind[where]):
            continue
        match = pattern(words).search(sentence.text)
        if match and not any(p.search(sentence.text) for p in but or ()):
            return Span(*match.span()).shift(sentence.span.start)
    return None


def _denied(d: Diagnosis, asked: Asked) -> Span | None:
    """Where the note denies, by the same name, what it assesses: a disease that was never there, a symptom of now."""
    term = d.evidence[0].of(asked.document.text)
    if len(term) < LEAST_TERM or asked.document.text.lower().count(term.lower()) < 2:
        return None
    denies = words_of("denies_symptom" if is_symptom(d.code) else "denies_disease")
    own = own_text(asked.document, d)
    words = pattern(rf"{denies}{re.escape(term)}(?!\w)")
    for sentence in asked.reading.sentences:
        match = None if _elsewhere(sentence, own) else words.search(sentence.text)
        if match and not first(sentence.text, "not_denied"):
            return Span(*match.span()).shift(sentence.span.start)
    return None


def _elsewhere(sentence: Sentence, own: tuple[Span, ...]) -> bool:
    """Whether a sentence is the problem's own, or speaks of others."""
    return sentence.section in NEVER_IN or any(span.overlaps(sentence.span) for span in own)
