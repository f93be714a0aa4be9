from __future__ import annotations

import hashlib
from datetime import date
from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from codeserve.api.convert import evidence, to_encounter, to_response
from codeserve.api.schemas import ExtractRequest, ExtractResponse
from codeserve.notes.document import Document, Section, SectionKind
from codeserve.notes.spans import Span
from codeserve.rules.risk import Risk
from tests.api.fakes import MODELS, ROUTE, diagnosis, em, plain_document, procedure


def asked(text: str = "Chest pain.", **values: Any) -> ExtractRequest:
    return ExtractRequest.model_validate({"document_id": "d1", "text": text, **values})


def respond(request: ExtractRequest, document: Document | None = None, **results: Any) -> ExtractResponse:
    values: dict[str, Any] = {"diagnoses": (), "procedures": (), "em": None, "findings": (), "route": ROUTE}
    return to_response(request, document or plain_document(request.text), models=MODELS, **{**values, **results})


def redacted(original: str, secret: str, placeholder: str) -> Document:
    """`original` with one secret replaced, as redaction does it."""
    at = original.index(secret)
    text = original.replace(secret, placeholder, 1)
    tail = range(at + len(secret), len(original))
    starts = (*range(at), *[at] * len(placeholder), *tail)
    ends = (*range(1, at + 1), *[at + len(secret)] * len(placeholder), *(i + 1 for i in tail))
    whole = Span(0, len(text))
    return Document(original, text, starts, ends, (Section(SectionKind.HPI, whole, whole),))


def test_evidence_lies_in_the_text_that_was_sent() -> None:
    original = "🩺 Jane Roe-Example has chest pain."
    document = redacted(original, "Jane Roe-Example", "[NAME]")
    at = document.text.index("chest pain")
    (found,) = evidence(document, [Span(at, at + len("chest pain"))])
    assert (found.text, found.section) == ("chest pain", "hpi")
    assert original[found.start : found.end] == "chest pain"


def test_neighbouring_evidence_of_one_section_becomes_one() -> None:
    document = plain_document("acute chest pain\nand cough")
    found = evidence(document, [Span(6, 11), Span(0, 5), Span(12, 16), Span(6, 11), Span(21, 26)])
    assert [one.text for one in found] == ["acute chest pain", "cough"]


@given(st.text(min_size=1, max_size=40), st.data())
def test_evidence_is_exact_ordered_and_covers_all_spans(text: str, data: st.DataObject) -> None:
    point = st.integers(0, len(text))
    spans = [Span(min(a, b), max(a, b)) for a, b in data.draw(st.lists(st.tuples(point, point), max_size=6))]
    found = evidence(plain_document(text), spans)
    assert all(text[one.start : one.end] == one.text and one.text for one in found)
    assert all(one.end < later.start for one, later in pairwise(found))
    for span in spans:
        assert not len(span) or any(one.start <= span.start and span.end <= one.end for one in found)


def test_the_encounter_falls_back_to_the_document() -> None:
    assert respond(asked()).encounter_id == "d1"
    assert respond(asked(encounter={"encounter_id": "v1"})).encounter_id == "v1"


def test_options_rule_what_is_returned() -> None:
    request = asked(options={"max_alternatives": 2, "include_rationale": False})
    (code,) = respond(request, diagnoses=[diagnosis(Span(0, 5))]).diagnosis_codes
    assert len(code.alternatives) == 2
    assert code.rationale is None


def test_confidence_has_four_digits() -> None:
    (code,) = respond(asked(), diagnoses=[diagnosis(Span(0, 5), confidence=0.123456)]).diagnosis_codes
    assert code.confidence == 0.1235


def test_the_hash_is_of_the_text_that_was_sent() -> None:
    text = "Brustschmerz – akut."
    assert respond(asked(text)).note_sha256 == hashlib.sha256(text.encode()).hexdigest()


def test_the_elements_of_the_em_code_show_their_evidence() -> None:
    answer = respond(asked(), em=em(Span(0, 10)))
    assert answer.em is not None
    assert answer.em.modifiers == ["25"]
    assert [(one.modifier, one.evidence[0].text) for one in answer.em.modifier_reasons] == [("25", "Chest")]
    assert answer.em.problems.items[0].evidence[0].text == "Chest pain"


def test_risk_adjustment_only_where_it_was_asked_for() -> None:
    assert respond(asked()).risk_adjustment is None
    answer = respond(asked(options={"include_risk": True}), risk=Risk((), (), ("assumed: female",)))
    assert answer.risk_adjustment is not None
    assert answer.risk_adjustment.remarks == ["assumed: female"]


def test_comparison_only_where_codes_were_sent() -> None:
    assert respond(asked()).comparison is None
    request = asked(encounter={"existing_codes": ["99214", "93000"]})
    found = respond(request, procedures=[procedure(Span(0, 5))], em=em(Span(0, 5))).comparison
    assert found is not None
    assert found.same == ["93000"]
    assert found.conflicting[0].proposed == ["99213"]


def test_the_encounter_of_the_rules() -> None:
    body = {
        "document_id": "d",
        "text": "x",
        "encounter": {
            "date_of_service": "2026-03-01",
            "minutes": 20,
            "prior_diagnoses": ["I10", "i10"],
            "patient": {"birth_date": "2000-03-02", "identifiers": ["Jane Roe", "Jane Roe"]},
        },
    }
    encounter, identifiers = to_encounter(ExtractRequest.model_validate(body, strict=False).encounter)
    assert (encounter.date_of_service, encounter.age, encounter.minutes) == (date(2026, 3, 1), 25, 20)
    assert encounter.prior_diagnoses == ("I10",)
    assert identifiers == ("Jane Roe",)
