import pytest

from codeserve.codesets import CodeSets
from codeserve.codesets.concepts import Concepts
from codeserve.codesets.icd10cm import Icd10cm


@pytest.fixture(scope="session")
def icd(codesets: CodeSets) -> Icd10cm:
    return codesets.icd


@pytest.fixture(scope="session")
def concepts(codesets: CodeSets) -> Concepts:
    return codesets.concepts
