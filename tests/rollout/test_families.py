from __future__ import annotations

import pytest

from codeserve.errors import SetupError
from codeserve.rollout.families import load_families, make_families

FAMILIES = load_families()


@pytest.mark.parametrize(
    ("code", "diagnosis", "family"),
    [
        ("E11.65", True, "endocrine"),
        ("Z00.00", True, "factors"),
        ("C7A.00", True, "neoplasms"),
        ("99213", False, "office_visit"),
        ("G0439", False, "preventive_visit"),
        ("90656", False, "immunization"),
        ("93000", False, "electrocardiogram"),
    ],
)
def test_families_of_codes(code: str, diagnosis: bool, family: str) -> None:
    assert family in FAMILIES.of(code, diagnosis)


def test_a_procedure_is_no_diagnosis() -> None:
    """E1390 is an oxygen concentrator, E13.9 diabetes."""
    assert FAMILIES.of("E1390", diagnosis=False) == frozenset()
    assert "endocrine" in FAMILIES.of("E13.9", diagnosis=True)


def test_every_chapter_is_there_once() -> None:
    chapters = [name for name in FAMILIES.diagnoses if name != "any_diagnosis"]
    assert len(chapters) == 22
    for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZ":
        found = FAMILIES.of(f"{letter}10.0", diagnosis=True)
        assert len(found - {"any_diagnosis"}) <= 1
        assert "any_diagnosis" in found


@pytest.mark.parametrize(("first", "last"), [("I99", "I00"), ("I00", "99213"), ("I0", "I9")])
def test_a_range_that_cannot_be(first: str, last: str) -> None:
    with pytest.raises(SetupError, match="heart"):
        make_families([{"family": "heart", "first": first, "last": last}])
