"""The retriever with its index, tables and encoder loaded."""

from __future__ import annotations

from codeserve.codesets import CodeSets
from codeserve.config import RetrieverSettings
from codeserve.retrieval.index import Index
from codeserve.retrieval.lexicon import Lexicon
from codeserve.retrieval.retriever import Retriever, Shelf
from codeserve.setup import Artifacts


def load_retriever(at: Artifacts, settings: RetrieverSettings) -> Retriever:
    codesets = CodeSets.load(at.tables)
    encode = None
    if settings.dense:
        from codeserve.deployments.encoder import MiniLmEncoder

        encode = MiniLmEncoder(at.encoder)
    diagnoses = Shelf(Index(at.index / "diagnoses"), {c.key: c.description for c in codesets.concepts.all()})
    procedures = Shelf(Index(at.index / "procedures"), {p.code: p.description for p in codesets.procedures.all()})
    return Retriever(diagnoses, procedures, Lexicon.load(), codesets.concepts, codesets.procedures, encode)
