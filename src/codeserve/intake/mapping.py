"""Between the platform's words and the gateway's: what is kept of a source, asked, and written back. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import date, datetime
from typing import Any, Literal

from codeserve.adapters.base import (
    MOST_DIAGNOSES,
    MOST_LINES,
    MOST_MODIFIERS,
    MOST_POINTERS,
    ChargeLine,
    DraftCharge,
    SourceDocument,
)

Json = dict[str, Any]
ENCOUNTER_FIELDS = (
    *("encounter_id", "place_of_service", "setting", "modality", "note_type", "specialty", "payer", "provider_npi"),
)
SHORTEST_IDENTIFIER = 2  # characters; the request takes no shorter one


def kept(source: SourceDocument) -> Json:
    """All of a source but the note's text, as JSON."""
    found = asdict(source)
    del found["text"]
    return {name: _plain(value) for name, value in found.items()}


def request_of(document_id: str, text: str, source: Mapping[str, Any]) -> Json:
    """A body for /v1/extract-codes. `document_id` is our own, so that the platform's is nowhere but in the database."""
    visit, patient = source["encounter"], source["patient"]
    encounter = {name: visit[name] for name in ENCOUNTER_FIELDS if visit[name] is not None}
    if visit["date_of_service"]:
        encounter["date_of_service"] = visit["date_of_service"]
    if visit["existing_codes"]:
        encounter["existing_codes"] = list(visit["existing_codes"])
    person = {name: patient[name] for name in ("birth_date", "sex") if patient[name] is not None}
    identifiers = [one for one in patient["identifiers"] if len(one.strip()) >= SHORTEST_IDENTIFIER]
    return {
        "document_id": document_id,
        "text": text,
        "encounter": {**encounter, "patient": {**person, "identifiers": identifiers}},
    }


def draft_of(
    reference: str, external_id: str, source: Mapping[str, Any], answer: Mapping[str, Any]
) -> DraftCharge | str:
    """The charge of an answer, or why there is none. A claim takes 12 diagnoses and 50 lines; what is beyond stays in
    the suggestion, and pointers to it are left out."""
    diagnoses = sorted(answer["diagnosis_codes"], key=lambda d: d["sequence"])[:MOST_DIAGNOSES]
    places = {d["sequence"]: place for place, d in enumerate(diagnoses, 1)}
    assessed = tuple(places[d["sequence"]] for d in diagnoses if d["role"] == "assessed") or tuple(places.values())
    lines = _lines(answer, places, assessed[:MOST_POINTERS])[:MOST_LINES]
    service = _service_date(source)
    for missing, what in ((not diagnoses, "no diagnosis"), (not lines, "no service"), (service is None, "no date")):
        if missing:
            return f"no draft charge: {what}"
    visit = source["encounter"]
    return DraftCharge(
        reference=reference,
        document_id=external_id,
        patient_id=source["patient"]["patient_id"],
        encounter_id=visit["encounter_id"],
        date_of_service=service,  # type: ignore[arg-type]  # checked above
        diagnoses=tuple(d["code"] for d in diagnoses),
        lines=tuple(lines),
        place_of_service=visit["place_of_service"],
        provider_id=visit["provider_id"],
        provider_npi=visit["provider_npi"],
    )


def _lines(answer: Mapping[str, Any], places: Mapping[int, int], assessed: tuple[int, ...]) -> list[ChargeLine]:
    """The visit first, then what stands beside it, then the procedures. A visit is for what was assessed in it, not for
    how or where it happened."""
    em = answer["em"]
    visits = [em, *em["also"]] if em else []
    lines = [_line(one["code"], one["modifiers"], one.get("units", 1), assessed) for one in visits]
    for one in answer["procedure_codes"]:
        pointers = tuple(places[p] for p in one["diagnosis_pointers"] if p in places)[:MOST_POINTERS]
        lines.append(_line(one["code"], one["modifiers"], one["units"], pointers or assessed[:1]))
    return lines


def _line(code: str, modifiers: Sequence[str], units: int, pointers: tuple[int, ...]) -> ChargeLine:
    system: Literal["CPT", "HCPCS"] = "HCPCS" if code[0].isalpha() else "CPT"
    return ChargeLine(code, system, tuple(modifiers[:MOST_MODIFIERS]), units, pointers)


def _service_date(source: Mapping[str, Any]) -> date | None:
    """The visit's, or else the day on which the note was signed."""
    told = source["encounter"]["date_of_service"] or (source["signed_at"] or "")[:10]
    return date.fromisoformat(told) if told else None


def _plain(value: Any) -> Any:
    if isinstance(value, date | datetime):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {name: _plain(one) for name, one in value.items()}
    return [_plain(one) for one in value] if isinstance(value, list | tuple) else value
