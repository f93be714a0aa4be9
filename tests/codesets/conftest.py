from pathlib import Path

import pytest

from codeserve.codesets import CodeSets
from codeserve.codesets.concepts import Concepts
from codeserve.codesets.icd10cm import Icd10cm
from codeserve.codesets.store import build


@pytest.fixture(scope="session")
def codesets(tmp_path_factory: pytest.TempPathFactory) -> CodeSets:
    folder: Path = tmp_path_factory.mktemp("codesets")
    build(folder)
    return CodeSets.load(folder)


@pytest.fixture(scope="session")
def icd(codesets: CodeSets) -> Icd10cm:
    return codesets.icd


@pytest.fixture(scope="session")
def concepts(codesets: CodeSets) -> Concepts:
    return codesets.concepts
