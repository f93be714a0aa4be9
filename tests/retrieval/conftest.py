"""The real code sets with a search index of words alone, built once; a toy encoder for what needs vectors."""

from collections.abc import Sequence

import numpy as np
import pytest

from codeserve.codesets import CodeSets
from codeserve.retrieval import text
from codeserve.retrieval.entries import diagnosis_entries, procedure_entries
from codeserve.retrieval.index import Index, Vectors, build_index
from codeserve.retrieval.lexicon import Lexicon
from codeserve.retrieval.retriever import Retriever


@pytest.fixture(scope="session")
def indexes(codesets: CodeSets, tmp_path_factory: pytest.TempPathFactory) -> tuple[Index, Index]:
    diagnoses, procedures = tmp_path_factory.mktemp("diagnoses"), tmp_path_factory.mktemp("procedures")
    build_index(diagnosis_entries(codesets.concepts), None, diagnoses)
    build_index(procedure_entries(codesets.procedures), None, procedures)
    return Index(diagnoses), Index(procedures)


@pytest.fixture(scope="session")
def lexicon() -> Lexicon:
    return Lexicon.load()


@pytest.fixture(scope="session")
def retriever(codesets: CodeSets, indexes: tuple[Index, Index], lexicon: Lexicon) -> Retriever:
    return Retriever(*indexes, lexicon, codesets.concepts, codesets.procedures)


@pytest.fixture(scope="session")
def bare(codesets: CodeSets, indexes: tuple[Index, Index]) -> Retriever:
    """Without the lexicon of diagnoses."""
    return Retriever(*indexes, Lexicon(()), codesets.concepts, codesets.procedures)


def encode_initials(texts: Sequence[str]) -> Vectors:
    """A stand-in for an encoder: the initials of the words, as a vector of length 1."""
    vectors = np.zeros((len(texts), 36), dtype=np.float32)
    for row, written in zip(vectors, texts, strict=True):
        for word in text.words(written):
            row[int(word[0], 36)] += 1
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-6)
