from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from codeserve.codesets import CodeSets
from codeserve.reasoning.questions import Candidate, Question, System
from codeserve.retrieval.entries import diagnosis_entries, procedure_entries
from codeserve.retrieval.index import Index, build_index
from codeserve.retrieval.lexicon import Lexicon, Row
from codeserve.retrieval.retriever import GROUP, Retriever, _highest
from tests.retrieval.conftest import encode_initials


def ask(retriever: Retriever, term: str, system: System = System.ICD10CM, **said: object) -> tuple[Candidate, ...]:
    return retriever.search([Question(0, system, term, **said)])[0]


def with_rows(codesets: CodeSets, indexes: tuple[Index, Index], *rows: Row) -> Retriever:
    return Retriever(*indexes, Lexicon(rows), codesets.concepts, codesets.procedures)


@pytest.mark.parametrize(
    ("term", "key"),
    [
        ("type 2 diabetes", "E11.9"),
        ("calculus of the kidney", "N20.0"),
        ("high blood pressure", "I10"),
        ("systolic heart failure, chronic", "I50.22"),
        ("CKD stage IIIb", "N18.32"),
        ("shortness of breath", "R06.02"),
        ("hypertriglyceridaemia", "E78.1"),
    ],
)
def test_words_alone_find_the_plain_code_among_the_first(bare: Retriever, term: str, key: str) -> None:
    assert key in [candidate.code for candidate in ask(bare, term)[:3]]


def test_the_lexicons_code_comes_first_and_certain(codesets: CodeSets, indexes: tuple[Index, Index]) -> None:
    retriever = with_rows(codesets, indexes, Row("water works trouble", "N39.0"))
    first = ask(retriever, "Water works trouble")[0]
    assert (first.code, first.certain, first.score, first.sources[0]) == ("N39.0", True, 1.0, "lexicon")


def test_details_that_the_code_does_not_say_take_the_certainty(retriever: Retriever) -> None:
    assert ask(retriever, "kidney stone")[0].certain
    assert ask(retriever, "kidney stone", details=("left",))[0].certain
    assert not any(c.certain for c in ask(retriever, "kidney stone", details=("with hydronephrosis",)))


def test_a_detail_that_makes_another_known_term_is_offered(codesets: CodeSets, indexes: tuple[Index, Index]) -> None:
    retriever = with_rows(codesets, indexes, Row("bronchitis", "J40"), Row("acute bronchitis", "J20.9"))
    found = ask(retriever, "bronchitis", details=("acute",))
    assert {c.code for c in found if "lexicon" in c.sources} == {"J40", "J20.9"}
    assert not any(c.certain for c in found)


def test_a_stem_of_several_concepts_is_never_certain(codesets: CodeSets, indexes: tuple[Index, Index]) -> None:
    found = ask(with_rows(codesets, indexes, Row("bad ankle", "S93.4-")), "bad ankle")
    offered = [candidate for candidate in found if "lexicon" in candidate.sources]
    assert len(offered) > 1
    assert not any(candidate.certain for candidate in offered)


def test_a_detail_moves_the_candidates(bare: Retriever) -> None:
    plain = [candidate.code for candidate in ask(bare, "otitis media")]
    detailed = [candidate.code for candidate in ask(bare, "otitis media", details=("acute", "suppurative"))]
    assert plain != detailed
    assert detailed[0].startswith("H66.0")


def test_scores_fall_lie_within_0_and_1_and_codes_are_distinct_and_known(
    codesets: CodeSets, retriever: Retriever
) -> None:
    for term in ("chest pain", "fall from a ladder", "rash", "zzzz", "the", ""):
        found = ask(retriever, term)
        assert len(found) <= 20
        assert len({candidate.code for candidate in found}) == len(found)
        assert all(0 < candidate.score <= 1 and candidate.sources for candidate in found)
        scores = [candidate.score for candidate in found]
        assert scores == sorted(scores, reverse=True)
        for candidate in found:
            concept = codesets.concepts.of(candidate.code)
            assert concept is not None
            assert concept.key == candidate.code


def test_a_question_is_answered_alike_alone_and_among_others(retriever: Retriever) -> None:
    questions = [Question(i, System.ICD10CM, term) for i, term in enumerate(("gout", "knee pain", "syncope"))]
    together = retriever.search(questions, limit=7)
    assert together == [retriever.search([question], limit=7)[0] for question in questions]
    assert all(0 < len(found) <= 7 for found in together)
    assert retriever.search([]) == []


def test_sex_and_age_move_what_is_not_for_the_patient(bare: Retriever) -> None:
    adult = [c.code for c in ask(bare, "general examination", age=50)]
    child = [c.code for c in ask(bare, "routine health examination", age=5)]
    assert adult.index("Z00.00") < min((adult.index(c) for c in adult if c.startswith("Z00.12")), default=99)
    assert any(code.startswith("Z00.12") for code in child[:3])


def test_a_procedures_own_term_finds_it_and_its_system(retriever: Retriever) -> None:
    first = ask(retriever, "EKG", System.CPT)[0]
    assert (first.code, first.system, first.certain) == ("93000", System.CPT, True)
    systems = {candidate.system for candidate in ask(retriever, "injection of drug", System.CPT)}
    assert systems == {System.CPT, System.HCPCS}


def test_vectors_add_what_words_do_not_find(codesets: CodeSets, tmp_path: Path) -> None:
    for name, entries in (
        ("diagnoses", diagnosis_entries(codesets.concepts)[:300]),
        ("procedures", procedure_entries(codesets.procedures)[:20]),
    ):
        (tmp_path / name).mkdir()
        build_index(entries, encode_initials, tmp_path / name)
    indexes = Index(tmp_path / "diagnoses"), Index(tmp_path / "procedures")
    key = diagnosis_entries(codesets.concepts)[0].key
    title = codesets.concepts.all()[0].description
    unheard = " ".join(word[0] + "qqqqq" for word in title.split())
    dense = Retriever(*indexes, Lexicon(()), codesets.concepts, codesets.procedures, encode_initials)
    found = ask(dense, unheard)
    assert key in [candidate.code for candidate in found]
    assert found[0].sources == ("dense",)
    words = Retriever(*indexes, Lexicon(()), codesets.concepts, codesets.procedures)
    assert ask(words, unheard) == ()


def test_the_version_names_both_indexes(retriever: Retriever, indexes: tuple[Index, Index]) -> None:
    assert retriever.version == f"{indexes[0].hash}-{indexes[1].hash}"


@given(
    st.lists(st.sampled_from((0.0, 0.25, 0.5, 0.75, 1.0)), max_size=3 * GROUP),
    st.integers(0, 5),
    st.integers(0, GROUP),
)
def test_the_highest_are_those_of_a_whole_sort(few: list[float], limit: int, more: int) -> None:
    scores = np.array([*few, *(place / 99 for place in range(more))], dtype=np.float32)
    keys = [f"{place:03}" for place in range(len(scores))]
    ranked = sorted((place for place in range(len(scores)) if scores[place] > 0), key=lambda i: (-scores[i], keys[i]))
    assert _highest(scores, keys, limit) == ranked[:limit]
