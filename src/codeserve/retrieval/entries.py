"""What is indexed for a code: its title as it stands and as people say it, and its inclusion terms."""

from __future__ import annotations

import re

from codeserve.codesets.concepts import Concept, Concepts
from codeserve.codesets.procedures import Procedures
from codeserve.retrieval.index import Entry

_NOS = re.compile(r"\s*\b(NOS|NEC)\b")
# What a title denies or leaves open, and its nonessential words, are not said: "Migraine, unspecified, not intractable,
# without status migrainosus" is "Migraine".
_UNSAID = (
    re.compile(r"\s*\([^)]*\)"),
    re.compile(r",? (without|not) [^,]*"),
    re.compile(r",? (unspecified|so stated)\b(?! (site|part|person))"),
    re.compile(r"\b[Uu]nspecified (?!site|part|person)"),
)


def diagnosis_entries(concepts: Concepts) -> list[Entry]:
    """One entry a concept, in the order of the tabular list."""
    return [Entry(concept.key, _texts(concept, context)) for concept, context in _with_context(concepts)]


def procedure_entries(procedures: Procedures) -> list[Entry]:
    return [Entry(row.code, tuple(dict.fromkeys(texts))) for row, texts in procedures.documents()]


def imported_entries(procedures: Procedures) -> list[Entry]:
    """One entry a code that an official release describes, in its order."""
    return [Entry(row.code, tuple(dict.fromkeys((row.description, *row.terms)))) for row in procedures.imported()]


def plain(title: str) -> str:
    """A title without what clinicians do not say."""
    said = title
    for pattern in _UNSAID:
        said = pattern.sub("", said)
    said = " ".join(said.split()).strip(" ,")
    return said[:1].upper() + said[1:]


def without_nos(term: str) -> str:
    return _NOS.sub("", term)


def _with_context(concepts: Concepts) -> list[tuple[Concept, tuple[str, ...]]]:
    """Each concept with its category's title where its own words do not tell what it is about.

    Titles of injuries and external causes (chapters S to Y) always do, and there are many.
    """
    return [
        (concept, () if concept.key[0] in "STVWXY" else tuple(texts[1 + len(concept.inclusion_terms) :]))
        for concept, texts in concepts.documents()
    ]


def _texts(concept: Concept, context: tuple[str, ...]) -> tuple[str, ...]:
    title = concept.description
    named = (title, plain(title), *map(without_nos, concept.inclusion_terms))
    return tuple(dict.fromkeys((*(name for name in named if name), *(f"{title}, {above}" for above in context))))
