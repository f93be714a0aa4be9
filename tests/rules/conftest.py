from __future__ import annotations

import pytest

from codeserve.notes.document import Document
from codeserve.notes.prepare import prepare
from codeserve.notes.redaction import Redactor
from codeserve.retrieval.lexicon import Lexicon


@pytest.fixture(scope="session")
def lexicon() -> Lexicon:
    return Lexicon.load()


@pytest.fixture(scope="session")
def redactor() -> Redactor:
    return Redactor()


@pytest.fixture
def document(request: pytest.FixtureRequest, redactor: Redactor) -> Document:
    return prepare(request.param, (), redactor)
