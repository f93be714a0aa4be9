from __future__ import annotations

from dataclasses import replace

import pytest

from codeserve.codesets.procedures import Procedures
from codeserve.notes.spans import Span
from codeserve.rules.encounter import Encounter
from codeserve.rules.procedure_extras import digit, following
from codeserve.rules.tables import rows
from tests.rules.making import document, procedure

TABLE = Procedures.load()


def billed(text: str, *codes: str, **told: object) -> list[tuple[str, int, tuple[str, ...]]]:
    done = [replace(procedure(code), evidence=(Span(0, len(text)),)) for code in codes]
    found = following(done, document(text), Encounter(**told), TABLE)  # type: ignore[arg-type]
    return [(p.code, p.units, p.modifiers) for p in found]


@pytest.mark.parametrize(
    ("text", "codes", "told", "giving"),
    [
        ("Flu shot given.", ("90686",), {"age": 40}, [("90471", 1)]),
        ("Flu shot and Tdap given.", ("90686", "90715"), {"age": 40}, [("90471", 1), ("90472", 1)]),
        ("Flu shot given.", ("90686",), {"age": 70, "payer": "Medicare"}, [("G0008", 1)]),
        ("Both given.", ("90686", "90677"), {"age": 70, "payer": "Medicare"}, [("G0008", 1), ("G0009", 1)]),
        ("MMR, varicella. Counseled mother.", ("90707", "90716"), {"age": 1}, [("90460", 2), ("90461", 2)]),
        ("MMR given.", ("90707",), {"age": 1}, [("90471", 1)]),
        ("Rotavirus by mouth.", ("90680",), {"age": 0}, [("90473", 1)]),
        ("Rotavirus by mouth, DTaP.", ("90680", "90700"), {"age": 0}, [("90471", 1), ("90474", 1)]),
        ("A 4 year old. DTaP, counseled.", ("90700",), {}, [("90460", 1), ("90461", 2)]),
    ],
)
def test_giving_vaccines(
    text: str, codes: tuple[str, ...], told: dict[str, object], giving: list[tuple[str, int]]
) -> None:
    found = billed(text, *codes, **told)
    assert [code for code, _, _ in found[: len(codes)]] == list(codes)
    assert [(code, units) for code, units, _ in found[len(codes) :]] == giving


def test_a_code_for_giving_is_not_doubled() -> None:
    assert [code for code, _, _ in billed("Flu shot.", "90686", "90471", age=40)] == ["90686", "90471"]
    assert billed("Nothing.", "90471") == [("90471", 1, ())]


@pytest.mark.parametrize(
    ("text", "code", "expected"),
    [
        ("Actinic keratoses, scalp, 5. Liquid nitrogen.", "17000", [("17000", 1), ("17003", 4)]),
        ("Liquid nitrogen to three lesions.", "17000", [("17000", 1), ("17003", 2)]),
        ("Liquid nitrogen to 16 actinic keratoses.", "17000", [("17004", 1)]),
        ("Liquid nitrogen to one lesion.", "17000", [("17000", 1)]),
        ("Liquid nitrogen to a 5 mm lesion.", "17000", [("17000", 1)]),
        ("Cryotherapy of 15 warts.", "17110", [("17111", 1)]),
        ("Cryotherapy of 3 warts.", "17110", [("17110", 1)]),
        ("Two shave biopsies.", "11102", [("11102", 1), ("11103", 1)]),
        ("Shave biopsy of the back.", "11102", [("11102", 1)]),
    ],
)
def test_by_number(text: str, code: str, expected: list[tuple[str, int]]) -> None:
    assert [(found, units) for found, units, _ in billed(text, code)] == expected


def test_waived_tests_of_the_office() -> None:
    assert billed("Rapid strep positive.", "87880") == [("87880", 1, ("QW",))]
    assert billed("Rapid strep positive.", "87880", setting="emergency") == [("87880", 1, ())]
    assert billed("Pregnancy test.", "81025") == [("81025", 1, ())]


@pytest.mark.parametrize(
    ("code", "said", "modifier"),
    [
        ("26055", "the right ring finger was released", "F8"),
        ("11730", "left great toe nail avulsed", "TA"),
        ("67800", "chalazion of the left upper eyelid", "E1"),
        ("26055", "the right ring finger and the right thumb", None),
        ("20610", "the right thumb", None),
        ("26055", "the finger", None),
    ],
)
def test_digits(code: str, said: str, modifier: str | None) -> None:
    assert digit(code, said) == modifier


def test_the_tables_name_codes_that_are_described() -> None:
    for row in rows("procedure_counts.tsv"):
        assert all(code in TABLE for code in (row["base"], row["add_on"], row["beyond"]) if code)
    assert len({row["modifier"] for row in rows("digits.tsv")}) == 24
