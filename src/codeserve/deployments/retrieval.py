"""The retriever with its index, tables and encoder loaded."""

from __future__ import annotations

from codeserve.codesets import CodeSets, alphabetical_index
from codeserve.config import RetrieverSettings, home
from codeserve.retrieval.index import Index
from codeserve.retrieval.lexicon import Lexicon
from codeserve.retrieval.retriever import Retriever
from codeserve.setup import Artifacts


def load_lexicon() -> Lexicon:
    """Our own rows, and beneath them what was imported into this home."""
    return Lexicon.load(imported=home() / alphabetical_index.FOLDER)


def load_retriever(at: Artifacts, settings: RetrieverSettings, lexicon: Lexicon | None = None) -> Retriever:
    """With a lexicon of its own where one is given."""
    codesets = CodeSets.load(at.tables)
    encode = None
    if settings.dense:
        from codeserve.deployments.encoder import MiniLmEncoder

        encode = MiniLmEncoder(at.encoder)
    diagnoses, procedures = Index(at.diagnosis_index), Index(at.procedure_index)
    return Retriever(diagnoses, procedures, lexicon or load_lexicon(), codesets.concepts, codesets.procedures, encode)
