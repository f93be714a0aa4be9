"""From the text that came in to the Document that every later stage works on."""

from __future__ import annotations

from collections.abc import Sequence

from codeserve.notes.document import Document
from codeserve.notes.items import find_items
from codeserve.notes.redaction import Redactor
from codeserve.notes.sections import split_sections


def prepare(text: str, identifiers: Sequence[str], redactor: Redactor) -> Document:
    """Redact first, then split: so all that follows has one text and one set of offsets."""
    redaction = redactor.redact(text, identifiers)
    sections = split_sections(redaction.text)
    items = find_items(redaction.text, sections)
    return Document(text, redaction.text, redaction.starts, redaction.ends, sections, items)
