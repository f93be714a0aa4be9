from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import orjson
from hypothesis import given
from hypothesis import strategies as st

from codeserve.adapters.base import DraftCharge, SourceDocument, SourceEncounter, SourcePatient
from codeserve.api.parse import parse_request
from codeserve.intake.mapping import draft_of, kept, request_of
from tests.worklist.rows import response

PATIENT = SourcePatient("p1", date(1961, 4, 17), "female", ("Marla", "M", "MRN-7714502"))
VISIT = SourceEncounter("e1", date(2026, 3, 2), "11", "office", note_type="progress", payer="Medicare")


def source(**changes: Any) -> dict[str, Any]:
    values = {"document_id": "d1", "version": "1", "state": "signed", "text": "chest pain", "patient": PATIENT}
    return kept(SourceDocument(**{**values, "encounter": VISIT, **changes}))


def test_what_is_kept_has_no_text_and_survives_json() -> None:
    told = source(signed_at=datetime(2026, 3, 2, 15, tzinfo=UTC))
    assert "text" not in told
    assert orjson.loads(orjson.dumps(told)) == told


def test_the_request_is_one_that_the_gateway_takes() -> None:
    asked = parse_request(orjson.dumps(request_of("own-id", "chest pain", source())), 1000)
    assert (asked.document_id, asked.encounter.setting, asked.encounter.payer) == ("own-id", "office", "Medicare")
    assert asked.encounter.patient is not None
    assert asked.encounter.patient.identifiers == ["Marla", "MRN-7714502"]


def test_what_the_platform_does_not_say_is_not_sent() -> None:
    bare = source(encounter=SourceEncounter(), patient=SourcePatient("p1"))
    assert request_of("own-id", "x", bare)["encounter"] == {"patient": {"identifiers": []}}


def test_a_draft_has_the_visit_first_and_pointers_by_place() -> None:
    draft = draft_of("ref", "d1", source(), response())
    assert isinstance(draft, DraftCharge)
    assert draft.diagnoses == ("R07.9",)
    told = [(one.code, one.system, one.modifiers, one.diagnosis_pointers) for one in draft.lines]
    assert told == [("99213", "CPT", ("25",), (1,)), ("93000", "CPT", (), (1,))]
    assert (draft.patient_id, draft.encounter_id, draft.date_of_service) == ("p1", "e1", date(2026, 3, 2))


def test_a_visit_is_not_for_the_external_cause() -> None:
    told = response()
    one = told["diagnosis_codes"][0]
    told["diagnosis_codes"] = [one, {**one, "code": "W00.1XXA", "role": "external_cause", "sequence": 2}]
    draft = draft_of("ref", "d1", source(), told)
    assert isinstance(draft, DraftCharge)
    assert (draft.diagnoses, draft.lines[0].diagnosis_pointers) == (("R07.9", "W00.1XXA"), (1,))


def test_what_cannot_be_a_claim_says_why() -> None:
    whole = response()
    assert draft_of("r", "d", source(), {**whole, "diagnosis_codes": []}) == "no draft charge: no diagnosis"
    assert draft_of("r", "d", source(), {**whole, "procedure_codes": [], "em": None}) == "no draft charge: no service"
    undated = source(encounter=SourceEncounter())
    assert draft_of("r", "d", undated, whole) == "no draft charge: no date"
    signed = source(encounter=SourceEncounter(), signed_at=datetime(2026, 3, 3, 1, tzinfo=UTC))
    assert isinstance(draft_of("r", "d", signed, whole), DraftCharge)


@given(st.integers(1, 30), st.lists(st.lists(st.integers(1, 30), max_size=8), min_size=1, max_size=60))
def test_a_long_answer_becomes_a_claim_that_fits(diagnoses: int, services: list[list[int]]) -> None:
    """12 diagnoses, 50 lines, 4 pointers, and every pointer has its diagnosis (DraftCharge refuses others)."""
    told = response()
    one, service = told["diagnosis_codes"][0], told["procedure_codes"][0]
    told["diagnosis_codes"] = [{**one, "code": f"A{n:02}.0", "sequence": n} for n in range(diagnoses, 0, -1)]
    told["procedure_codes"] = [{**service, "diagnosis_pointers": [p for p in s if p <= diagnoses]} for s in services]
    draft = draft_of("r", "d", source(), told)
    assert isinstance(draft, DraftCharge)
    assert draft.diagnoses == tuple(f"A{n:02}.0" for n in range(1, min(diagnoses, 12) + 1))
