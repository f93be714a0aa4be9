from __future__ import annotations

from typing import Any

import pytest

from tests.api.fakes import make_app, request
from tests.api.test_app import fields, problem

CLAIM: dict[str, Any] = {
    "encounter": {"date_of_service": "2026-05-04", "recent_procedures": [{"code": "27447", "date": "2026-04-10"}]},
    "diagnosis_codes": [{"code": "m1711"}],
    "procedure_codes": [{"code": "20610", "modifiers": ["rt"], "units": 2, "diagnosis_pointers": [1]}],
}


def validate(body: Any) -> Any:
    return request(make_app(), "POST", "/v1/validate-codes", json=body)


def test_a_claim_with_findings_is_200() -> None:
    response = validate(CLAIM)
    assert response.status_code == 200
    body = response.json()
    assert [f["rule"] for f in body["findings"]] == ["unspecified-code"]
    assert body["tables"][0]["name"] == "ncci-ptp"
    assert "validate;dur=" in response.headers["server-timing"]


def line(**changes: Any) -> dict[str, Any]:
    return {**CLAIM, "procedure_codes": [{**CLAIM["procedure_codes"][0], **changes}]}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"encounter": {}}, "diagnosis_codes"),
        (line(units=0), "procedure_codes.0.units"),
        (line(units=10_000), "procedure_codes.0.units"),
        (line(units="1"), "procedure_codes.0.units"),
        (line(code="knee"), "procedure_codes.0.code"),
        (line(modifiers=["RIGHT"]), "procedure_codes.0.modifiers.0"),
        (line(modifiers=["RT"] * 5), "procedure_codes.0.modifiers"),
        (line(diagnosis_pointers=[0]), "procedure_codes.0.diagnosis_pointers.0"),
        ({**CLAIM, "diagnosis_codes": [{"code": "I10"}] * 5000}, "diagnosis_codes"),
        ({**CLAIM, "diagnosis_codes": [{"code": "knee pain"}]}, "diagnosis_codes.0.code"),
        ({**CLAIM, "encounter": {"date_of_service": "2026-02-30"}}, "encounter.date_of_service"),
        ({**CLAIM, "text": " "}, "text"),
    ],
)
def test_a_malformed_claim_names_the_field(body: dict[str, Any], field: str) -> None:
    assert fields(problem(validate(body), 422, "invalid-request")) == [field]


def test_gaps_of_a_note() -> None:
    response = request(make_app(), "POST", "/v1/documentation-gaps", json={"text": "ankle sprain"})
    assert response.status_code == 200
    (gap,) = response.json()["documentation_gaps"]
    assert gap["evidence"] == [{"start": 0, "end": 5, "text": "ankle", "section": "hpi"}]
    assert gap["question"].endswith("?")
    assert request(make_app(), "POST", "/v1/documentation-gaps", json={}).status_code == 422
