"""Short notes of our own with what was done in them: codes, units, sides and digits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from codeserve.codesets.procedures import Procedures
from codeserve.reasoning.questions import Answer, Candidate, Judged
from codeserve.rules.encounter import Encounter
from codeserve.rules.procedures import Done, ProcedureTerms, decide_procedures, done
from codeserve.rules.tables import rows
from tests.rules.making import document

TABLE = Procedures.load()
TERMS = ProcedureTerms(TABLE)
BY_TERM = {term: code for code in TABLE.all() for term in code.terms}
VIGNETTES = yaml.safe_load((Path(__file__).parent / "data" / "procedure_vignettes.yaml").read_text())
SIDES = {"RT", "LT", "50", *(row["modifier"] for row in rows("digits.tsv"))}


def answer(number: int, service: Done) -> Answer:
    """What retrieval by words answers: the code of the very term."""
    code = BY_TERM[service.term]
    candidate = Candidate(code.code, code.system, code.description, 1.0, ("lexicon",), True)
    return Answer(number, (Judged(candidate, 0.95),), 0.02, "lexicon")


def billed(text: str, encounter: dict[str, Any]) -> set[str]:
    visit = Encounter(**encounter)
    note = document(text)
    services = done(note, TERMS, visit)
    answers = [answer(number, service) for number, service in enumerate(services)]
    found = decide_procedures(services, answers, note, (), TABLE, visit)
    return {
        "-".join((p.code, *(m for m in p.modifiers if m in SIDES))) + (f" x{p.units}" if p.units > 1 else "")
        for p in found
    }


@pytest.mark.parametrize("vignette", VIGNETTES, ids=[v["id"] for v in VIGNETTES])
def test_what_was_done(vignette: dict[str, Any]) -> None:
    found = billed(vignette["text"], vignette.get("encounter", {}))
    assert {code for code in found if code.split("-")[0] not in vignette.get("may", ())} == set(vignette["codes"])


def test_vignettes_name_codes_that_are_described() -> None:
    for vignette in VIGNETTES:
        for code in (*vignette["codes"], *vignette.get("may", ())):
            assert code.split(" ")[0].split("-")[0] in TABLE, vignette["id"]


@pytest.mark.parametrize(
    ("table", "columns"),
    [
        ("procedure_frames.tsv", ("codes",)),
        ("procedure_refined.tsv", ("codes", "becomes")),
        ("procedure_combined.tsv", ("codes", "becomes")),
        ("procedure_units.tsv", ("code",)),
    ],
)
def test_tables_name_codes_that_are_described(table: str, columns: tuple[str, ...]) -> None:
    named = {code for row in rows(table) for column in columns for code in row[column].split("|") if code}
    assert {code for code in named if code not in TABLE} == set()


def test_every_act_has_its_frames() -> None:
    families = {row["family"] for row in rows("procedure_acts.tsv")}
    assert {row["family"] for row in rows("procedure_frames.tsv")} <= families
    assert {row["family"] for row in rows("wound_codes.tsv")} <= {row["family"] for row in rows("procedure_sizes.tsv")}
