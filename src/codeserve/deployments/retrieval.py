"""The retriever with its index, tables and encoder loaded."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from codeserve.artifacts import Progress, Step
from codeserve.codesets import CodeSets, alphabetical_index
from codeserve.codesets.procedures import Procedures
from codeserve.config import RetrieverSettings, home
from codeserve.retrieval.entries import imported_entries
from codeserve.retrieval.index import Entry, Index, build_index, content_hash
from codeserve.retrieval.lexicon import Lexicon
from codeserve.retrieval.retriever import Retriever
from codeserve.setup import Artifacts

IMPORTED = "imported-index"


def load_lexicon() -> Lexicon:
    """Our own rows, and beneath them what was imported into this home."""
    return Lexicon.load(imported=home() / alphabetical_index.FOLDER)


def load_retriever(at: Artifacts, settings: RetrieverSettings, lexicon: Lexicon | None = None) -> Retriever:
    """With a lexicon of its own where one is given."""
    codesets = CodeSets.load(at.tables, home())
    encode = None
    if settings.dense:
        from codeserve.deployments.encoder import MiniLmEncoder

        encode = MiniLmEncoder(at.encoder)
    diagnoses, procedures = Index(at.diagnosis_index), Index(at.procedure_index)
    return Retriever(
        diagnoses,
        procedures,
        lexicon or load_lexicon(),
        codesets.concepts,
        codesets.procedures,
        encode,
        imported_index(codesets.procedures),
    )


def imported_index(procedures: Procedures) -> Index | None:
    """The index of the imported procedure codes, built by words alone where it is not there yet (a few seconds); None
    where none were imported."""
    entries = imported_entries(procedures)
    if not entries:
        return None
    target = home() / IMPORTED / content_hash(entries)
    step = Step("imported-index", "search index of imported procedures", target, partial(_build, entries))
    if not step.ready:
        step.run(lambda _: None)
    return Index(target)


def _build(entries: Sequence[Entry], folder: Path, progress: Progress) -> None:
    build_index(entries, None, folder, progress)
