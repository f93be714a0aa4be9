from __future__ import annotations

import json
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from codeserve.api import checks
from codeserve.api.parse import InvalidFields, parse_request
from codeserve.api.schemas import ExtractRequest
from codeserve.errors import BadRequest, TooLarge

NOTE: dict[str, Any] = {"document_id": "enc_1", "text": "Chest pain."}


def parse(body: Any) -> ExtractRequest:
    return parse_request(json.dumps(body).encode(), 1000)


def wrong_fields(body: Any) -> list[str]:
    with pytest.raises(InvalidFields) as caught:
        parse(body)
    return [error.field for error in caught.value.errors]


def with_encounter(**values: Any) -> dict[str, Any]:
    return {**NOTE, "encounter": values}


def with_patient(service: str | None = None, **values: Any) -> dict[str, Any]:
    return with_encounter(**({"date_of_service": service} if service else {}), patient=values)


def test_everything_at_once() -> None:
    request = parse(
        {
            **NOTE,
            "model_version": "icd10-extractor-v3",
            "encounter": {
                "encounter_id": "v1",
                "date_of_service": "2026-03-01",
                "place_of_service": "11",
                "patient_status": "new",
                "setting": "office",
                "service": "initial",
                "modality": "in_person",
                "note_type": "progress",
                "specialty": "cardiology",
                "payer": "medicare",
                "provider_npi": "1234567893",
                "minutes": 30,
                "prior_diagnoses": ["e119", "I10"],
                "existing_codes": ["R07.9", "99213-25", "J1885"],
                "patient": {"birth_date": "1980-03-01", "age": 46, "sex": "female", "identifiers": ["Mrs Example"]},
            },
            "options": {"max_alternatives": 0, "include_rationale": False},
        }
    )
    assert request.encounter.prior_diagnoses == ["E11.9", "I10"]
    assert request.encounter.date_of_service == date(2026, 3, 1)
    assert request.options.max_alternatives == 0


def test_defaults() -> None:
    request = parse(NOTE)
    assert (request.options.max_alternatives, request.options.include_rationale) == (3, True)
    assert request.encounter.existing_codes == []
    assert request.model_version is None


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ([], ["body"]),
        ({"text": "x"}, ["document_id"]),
        ({"document_id": "d"}, ["text"]),
        ({**NOTE, "text": ""}, ["text"]),
        ({**NOTE, "text": " \n\t "}, ["text"]),
        ({**NOTE, "document_id": ""}, ["document_id"]),
        ({**NOTE, "document_id": "d" * 201}, ["document_id"]),
        ({**NOTE, "colour": 1}, ["colour"]),
        ({**NOTE, "Jane Roe": 1}, ["*"]),
        ({**NOTE, "encounter": {"patient": {"weight": 1}}}, ["encounter.patient.weight"]),
        ({**NOTE, "options": {"max_alternatives": 21}}, ["options.max_alternatives"]),
        ({**NOTE, "options": {"max_alternatives": -1}}, ["options.max_alternatives"]),
        ({**NOTE, "options": {"include_rationale": "no"}}, ["options.include_rationale"]),
        (with_encounter(minutes=0), ["encounter.minutes"]),
        (with_encounter(minutes=1441), ["encounter.minutes"]),
        (with_encounter(minutes="30"), ["encounter.minutes"]),
        (with_encounter(place_of_service="29"), ["encounter.place_of_service"]),
        (with_encounter(place_of_service="1"), ["encounter.place_of_service"]),
        (with_encounter(provider_npi="1234567890"), ["encounter.provider_npi"]),
        (with_encounter(setting="spaceship"), ["encounter.setting"]),
        (with_encounter(date_of_service="1889-01-01"), ["encounter.date_of_service"]),
        (with_encounter(date_of_service="2199-01-01"), ["encounter.date_of_service"]),
        (with_encounter(date_of_service="2026-02-30"), ["encounter.date_of_service"]),
        (with_encounter(date_of_service=20260101), ["encounter.date_of_service"]),
        (with_encounter(prior_diagnoses=["I10", "diabetes"]), ["encounter.prior_diagnoses.1"]),
        (with_encounter(prior_diagnoses=["99213"]), ["encounter.prior_diagnoses.0"]),
        (with_encounter(prior_diagnoses=["I10"] * 201), ["encounter.prior_diagnoses"]),
        (with_encounter(existing_codes=["9921"]), ["encounter.existing_codes.0"]),
        (with_encounter(existing_codes=["99213-2"]), ["encounter.existing_codes.0"]),
        (with_patient(age=131), ["encounter.patient.age"]),
        (with_patient(age=-1), ["encounter.patient.age"]),
        (with_patient(sex="F"), ["encounter.patient.sex"]),
        (with_patient(identifiers=["x"]), ["encounter.patient.identifiers.0"]),
        (with_patient(identifiers=["Jane"] * 101), ["encounter.patient.identifiers"]),
        (with_patient("2026-01-01", birth_date="2026-01-02"), ["encounter.patient.birth_date"]),
        (with_patient("2026-01-01", birth_date="1890-01-01"), ["encounter.patient.birth_date"]),
        (with_patient("2026-01-01", birth_date="1980-01-02", age=46), ["encounter.patient.age"]),
        (with_patient(birth_date="2199-01-01"), ["encounter.patient.birth_date"]),
        (with_patient(birth_date="2020-01-01", age=60), ["encounter.patient.age"]),
    ],
)
def test_a_wrong_field_is_named(body: Any, fields: list[str]) -> None:
    assert wrong_fields(body) == fields


def test_all_wrong_fields_are_named_at_once() -> None:
    assert wrong_fields({"document_id": "", "text": "x", "encounter": {"minutes": 0}}) == [
        "document_id",
        "encounter.minutes",
    ]


@pytest.mark.parametrize("body", [b"", b"{", b"note", b"{'a': 1}", b'{"text": "\xff"}', b'{"text": "\\ud800"}'])
def test_what_is_not_json_is_a_bad_request(body: bytes) -> None:
    with pytest.raises(BadRequest):
        parse_request(body, 1000)


def test_length_is_counted_in_code_points() -> None:
    assert len(parse({**NOTE, "text": "🩺" * 1000}).text) == 1000
    with pytest.raises(TooLarge):
        parse({**NOTE, "text": "x" * 1001})


def test_places_of_service_are_two_digits_and_named() -> None:
    places = checks.places_of_service()
    assert {"11", "21", "23", "31", "02", "10", "99"} <= places.keys()
    assert all(len(code) == 2 and code.isdigit() and name for code, name in places.items())


@given(st.text("0123456789", min_size=8, max_size=8), st.sampled_from("12"))
def test_an_npi_has_exactly_one_check_digit(middle: str, first: str) -> None:
    right = [digit for digit in "0123456789" if checks.luhn_valid(checks.NPI_PREFIX + first + middle + digit)]
    assert len(right) == 1
    assert checks.npi(first + middle + right[0])


@given(st.dates(date(1950, 1, 1), date(2025, 12, 31)), st.dates(date(1990, 1, 1), date(2025, 12, 31)))
def test_birth_date_and_age_agree_or_are_refused(birth: date, service: date) -> None:
    body = with_patient(service.isoformat(), birth_date=birth.isoformat())
    if birth > service:
        assert wrong_fields(body) == ["encounter.patient.birth_date"]
        return
    age = checks.years_between(birth, service)
    assert 0 <= age <= (service - birth).days / 365 < age + 1.1
    body["encounter"]["patient"]["age"] = age
    parse(body)
    body["encounter"]["patient"]["age"] = age + 1
    assert wrong_fields(body) == ["encounter.patient.age"]


def test_a_service_tomorrow_is_taken() -> None:
    tomorrow = (date.today() + timedelta(days=1)).isoformat()
    assert parse(with_encounter(date_of_service=tomorrow)).encounter.date_of_service


def test_requests_cannot_be_changed() -> None:
    with pytest.raises(ValidationError):
        parse(NOTE).text = "other"  # type: ignore[misc]
