from pathlib import Path

import pytest

from codeserve.codesets import CodeSets
from codeserve.codesets.concepts import Concepts
from codeserve.codesets.icd10cm import Icd10cm
from codeserve.errors import SetupError
from codeserve.reasoning.questions import System


def test_a_diagnosis_is_described_with_what_it_inherits(codesets: CodeSets) -> None:
    info = codesets.describe("e119")
    assert info is not None
    assert (info.code, info.system, info.billable) == ("E11.9", System.ICD10CM, True)
    assert [code for code, _ in info.parents] == ["E11", "E08-E13", "4"]
    assert "excludes1" in info.notes
    assert "inclusionTerm" not in info.notes


def test_a_category_is_described_and_not_billable(codesets: CodeSets) -> None:
    info = codesets.describe("E11")
    assert info is not None
    assert not info.billable


def test_a_procedure_is_described(codesets: CodeSets) -> None:
    info = codesets.describe("93000")
    assert info is not None
    assert (info.system, info.billable, info.parents) == (System.CPT, True, ())
    assert "ekg" in info.inclusion_terms


def test_an_unknown_code_is_none(codesets: CodeSets) -> None:
    assert codesets.describe("ZZZ") is None


def test_versions_name_every_table(codesets: CodeSets) -> None:
    assert set(codesets.versions) == {"icd10cm", "procedures"}
    assert all(codesets.versions.values())


def test_loading_what_was_not_built_is_a_set_up_error(icd: Icd10cm, tmp_path: Path) -> None:
    with pytest.raises(SetupError):
        CodeSets.load(tmp_path)
    with pytest.raises(SetupError):
        Concepts.load(icd, tmp_path)
    (tmp_path / "concepts.json").write_text('{"sha256": "another", "concepts": []}')
    with pytest.raises(SetupError, match="another code set"):
        Concepts.load(icd, tmp_path)
