from __future__ import annotations

from pathlib import Path

import pytest

from codeserve.codesets import CodeSets, store
from codeserve.notes.document import Document
from codeserve.notes.prepare import prepare
from codeserve.notes.redaction import Redactor
from codeserve.retrieval.lexicon import Lexicon


@pytest.fixture(scope="session")
def codesets(tmp_path_factory: pytest.TempPathFactory) -> CodeSets:
    folder: Path = tmp_path_factory.mktemp("codesets")
    store.build(folder)
    return CodeSets.load(folder)


@pytest.fixture(scope="session")
def lexicon() -> Lexicon:
    return Lexicon.load()


@pytest.fixture(scope="session")
def redactor() -> Redactor:
    return Redactor()


@pytest.fixture
def document(request: pytest.FixtureRequest, redactor: Redactor) -> Document:
    return prepare(request.param, (), redactor)
