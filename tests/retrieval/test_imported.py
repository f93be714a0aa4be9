"""Codes of an imported release: found by name and by search, behind this project's own, and with little confidence."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from codeserve.codesets import CodeSets
from codeserve.codesets.imported import extended
from codeserve.codesets.imports import KINDS, import_table
from codeserve.codesets.reference import Reference
from codeserve.deployments import retrieval
from codeserve.reasoning.calibration import Calibrator
from codeserve.reasoning.judge import from_lexicon
from codeserve.reasoning.questions import Candidate, Question, System
from codeserve.retrieval.index import Index
from codeserve.retrieval.lexicon import Lexicon
from codeserve.retrieval.retriever import Retriever
from codeserve.rules.encounter import Encounter
from codeserve.rules.procedures import ProcedureTerms, decide_procedures, done, procedure_questions
from codeserve.rules.results import Procedure
from tests.codesets.test_imported import CPT, HCPCS
from tests.rules.making import diagnosis, document


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "hcpcs.csv").write_text(HCPCS)
    (tmp_path / "cpt.txt").write_text(CPT)
    import_table(tmp_path, KINDS["hcpcs"], [tmp_path / "hcpcs.csv"], date(2026, 4, 1))
    import_table(tmp_path, KINDS["cpt"], [tmp_path / "cpt.txt"], date(2026, 1, 1))
    monkeypatch.setenv("CODESERVE_HOME", str(tmp_path))
    return tmp_path


@pytest.fixture
def known(codesets: CodeSets, home: Path) -> CodeSets:
    reference = Reference.load(home)
    return replace(codesets, reference=reference, procedures=extended(codesets.procedures, reference))


@pytest.fixture
def retriever(known: CodeSets, indexes: tuple[Index, Index]) -> Retriever:
    imported = retrieval.imported_index(known.procedures)
    return Retriever(*indexes, Lexicon(()), known.concepts, known.procedures, imported=imported)


def search(retriever: Retriever, term: str) -> tuple[Candidate, ...]:
    return retriever.search([Question(0, System.CPT, term)])[0]


def coded(text: str, known: CodeSets, retriever: Retriever) -> tuple[Procedure, ...]:
    """The services of a note, as the pipeline decides them without the LLM."""
    note = document(text)
    services = done(note, ProcedureTerms(known.procedures), Encounter())
    found = retriever.search(procedure_questions(note, services, 0))
    answers = [from_lexicon(Question(0, System.CPT, ""), one, Calibrator.load()) for one in found]
    return decide_procedures(services, answers, note, [diagnosis("L40.0")], known.procedures)


def test_every_code_can_be_looked_up(known: CodeSets, retriever: Retriever) -> None:
    for row in known.procedures.imported():
        assert row.code in [one.code for one in search(retriever, row.description)]


def test_own_codes_come_first(retriever: Retriever) -> None:
    first, *_ = search(retriever, "ketorolac")
    assert first.code == "J1885"
    assert [one.code for one in search(retriever, "walker")].index("E0135") == 0


def test_a_documented_drug_is_suggested_with_its_units(known: CodeSets, retriever: Retriever) -> None:
    (one,) = coded("PLAN:\nExamplimab-abcd 300 mg was injected in the office today.", known, retriever)
    assert (one.code, one.units) == ("J7777", 30)
    assert one.confidence < 0.8
    assert coded("PLAN:\nWe will order examplimab-abcd 300 mg.", known, retriever) == ()


def test_one_of_several_is_a_question_for_a_coder(known: CodeSets, retriever: Retriever) -> None:
    (one,) = coded("PLAN:\nA standing example frame was fitted today.", known, retriever)
    assert one.code == "E9990"
    assert one.confidence < 0.5
    assert "E9991" in [other.code for other in one.alternatives]


def test_licensed_descriptors_are_shown(known: CodeSets, retriever: Retriever) -> None:
    (one,) = coded("PROCEDURE:\nThe right knee joint injection was performed today.", known, retriever)
    assert (one.code, one.description) == ("20610", "words of the licensor about a large joint")
    assert search(retriever, "knee injection")[0].description == "words of the licensor about a large joint"


def test_the_index_is_built_once(home: Path, known: CodeSets) -> None:
    retrieval.imported_index(known.procedures)
    (folder,) = (home / retrieval.IMPORTED).iterdir()
    before = folder.stat().st_mtime_ns
    assert retrieval.imported_index(known.procedures) is not None
    assert folder.stat().st_mtime_ns == before


def test_without_an_import_there_is_none(codesets: CodeSets) -> None:
    assert retrieval.imported_index(codesets.procedures) is None
