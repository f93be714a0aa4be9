"""The side of a service that is done on one of two: in its sentence, else in what justifies it, else around it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from codeserve.notes.document import Document
from codeserve.rules import details
from codeserve.rules.modifier_words import because
from codeserve.rules.results import Diagnosis, ModifierReason
from codeserve.rules.services import Done

MODIFIERS = {"right": "RT", "left": "LT", "bilateral": "50"}
LETTERS = {"R": "right", "L": "left"}
_LETTER = re.compile(r"(?<![\w/-])([RL])(?= (?:[a-z]{3}|TM\b|EAC\b|AC\b|CMC\b|MCP\b|MTP\b|UE\b|LE\b))")
_IN_TITLE = re.compile(r"\b(right|left|bilateral)\b", re.IGNORECASE)
_HANDED = re.compile(r"\b(?:right|left)[- ](?:hand(?:ed)?[- ]dominant|handed)\b", re.IGNORECASE)


def side_modifier(document: Document, service: Done, reasons: Sequence[Diagnosis]) -> ModifierReason | None:
    """RT, LT or 50 (CMS Claims Processing Manual, chapter 4, section 20.6); None where nothing tells one side."""
    for said in _places(document, service, reasons):
        if (value := _one(said)) is not None:
            evidence = [d.span for d in details.find("side", document.text, service.sentence)] or [service.sentence]
            why = "both-sides" if value == "bilateral" else "side"
            return because(why, MODIFIERS[value], evidence, side=value)
    return None


def _places(document: Document, service: Done, reasons: Sequence[Diagnosis]) -> Iterator[frozenset[str]]:
    sentence = service.sentence
    yield frozenset(d.value for d in details.find("side", document.text, sentence))
    yield _lettered(sentence.of(document.text))
    yield frozenset(m[1].lower() for d in reasons if (m := _IN_TITLE.search(d.description)))
    yield frozenset(d.value for d in details.find("side", document.text, sentence.line_of(document.text)))
    yield _said(service.near)
    yield _lettered(service.near)


def _lettered(text: str) -> frozenset[str]:
    """Sides written as one capital: "R canal", "L ankle"."""
    return frozenset(LETTERS[m[1]] for m in _LETTER.finditer(text))


def _said(text: str) -> frozenset[str]:
    plain = _HANDED.sub(" ", text)
    return frozenset(value for value, words in details.cues("side") if words.search(plain))


def _one(found: frozenset[str]) -> str | None:
    if "bilateral" in found or found == {"right", "left"}:
        return "bilateral"
    return next(iter(found)) if len(found) == 1 else None
