from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codeserve.api.compare import compare, family

DIAGNOSES = ["E11.9", "E11.65", "I10", "J18.85", "S93.401A"]
PROCEDURES = ["99213", "99214", "93000", "93005", "J1885", "G0439"]


def conflicts(existing: Sequence[str], diagnoses: Sequence[str], procedures: Sequence[str]) -> list[tuple[str, ...]]:
    found = compare(existing, diagnoses, procedures).conflicting
    return [(one.family, *one.existing, "|", *one.proposed) for one in found]


def test_every_kind_of_difference() -> None:
    result = compare(["I10", "E11.9", "J45.909"], ["I10", "E11.65", "R07.9"], [])
    assert (result.same, result.added, result.missing) == (["I10"], ["R07.9"], ["J45.909"])
    assert [(c.existing, c.proposed) for c in result.conflicting] == [(["E11.9"], ["E11.65"])]


def test_a_second_code_of_a_category_is_no_conflict() -> None:
    result = compare(["E11.65"], ["E11.65", "E11.22"], [])
    assert (result.same, result.added, result.conflicting) == (["E11.65"], ["E11.22"], [])


def test_office_visits_of_new_and_established_patients_conflict() -> None:
    assert conflicts(["99203"], [], ["99214"]) == [("office visit", "99203", "|", "99214")]


def test_modifiers_are_not_compared() -> None:
    assert compare(["99213-25"], [], ["99213"]).same == ["99213-25"]


@pytest.mark.parametrize("held", ["E1165", "e11.65".upper(), "E11.65"])
def test_a_diagnosis_may_lack_its_dot(held: str) -> None:
    assert compare([held], ["E11.65"], []).same == [held]


def test_drugs_of_neighbouring_codes_do_not_conflict() -> None:
    assert compare(["J1885"], [], ["J1880"]).conflicting == []


@pytest.mark.parametrize(
    ("code", "expected"),
    [("E11.65", "E11"), ("99214", "office visit"), ("93010", "9301"), ("J1885", "J1885"), ("C4A.0", "C4A")],
)
def test_families(code: str, expected: str) -> None:
    assert family(code) == expected


@given(
    st.lists(st.sampled_from(DIAGNOSES + PROCEDURES + ["99213-25", "E1165"]), max_size=6),
    st.lists(st.sampled_from(DIAGNOSES), max_size=4),
    st.lists(st.sampled_from(PROCEDURES), max_size=4),
)
def test_every_code_stands_in_one_place(existing: list[str], diagnoses: list[str], procedures: list[str]) -> None:
    result = compare(existing, diagnoses, procedures)
    theirs = [*result.same, *result.missing, *(code for c in result.conflicting for code in c.existing)]
    assert sorted(theirs) == sorted(set(existing))
    ours = [*result.added, *(code for c in result.conflicting for code in c.proposed)]
    assert len(ours) == len(set(ours))
    assert set(ours) <= {*diagnoses, *procedures}
    assert len({*diagnoses, *procedures}) - len(ours) <= len(result.same)
    for conflict in result.conflicting:
        assert conflict.existing
        assert conflict.proposed
        assert not set(conflict.existing) & set(conflict.proposed)
