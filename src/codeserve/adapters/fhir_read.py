"""FHIR R4 resources in, our plain data out.

Sources: hl7.org/fhir/R4 (DocumentReference, Encounter, Patient, Coverage) and US Core's "Clinical Notes". The models
are those of `fhir.resources` for R4B (4.3.0), which left these resources as R4 (4.0.1) has them; R4's own are not
shipped any more.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Iterable, Mapping
from datetime import date, datetime, tzinfo
from typing import Any, TypeVar

from fhir.resources.R4B.coverage import Coverage
from fhir.resources.R4B.documentreference import DocumentReference
from fhir.resources.R4B.encounter import Encounter
from fhir.resources.R4B.patient import Patient
from pydantic import BaseModel, ValidationError

from codeserve.adapters.base import Sex, SourceEncounter, SourcePatient, State, usable_identifiers
from codeserve.adapters.errors import Malformed
from codeserve.adapters.html import text_of
from codeserve.adapters.tables import column

Model = TypeVar("Model", bound=BaseModel)
READABLE = ("text/plain", "text/html", "application/xhtml+xml")
SEXES: dict[str, Sex] = {"female": "female", "male": "male", "other": "other"}


def parsed(model: type[Model], resource: Mapping[str, Any]) -> Model:
    """Raises Malformed that names the resource and the fields, nothing of what they hold."""
    try:
        return model.model_validate(resource)
    except ValidationError as error:
        fields = sorted({".".join(str(p) for p in e["loc"]) for e in error.errors(include_input=False)})
    raise Malformed(f"fhir: {model.__name__} is not valid: {', '.join(fields[:5])}")


def state_of(document: DocumentReference) -> State:
    """DocumentReference.status is of the reference, docStatus of the document. One without a docStatus counts as signed
    where somebody is named who authenticated it."""
    if document.status != "current":
        return "superseded" if document.status == "superseded" else "withdrawn"
    if document.docStatus == "entered-in-error":
        return "withdrawn"
    if document.docStatus is None:
        return "signed" if document.authenticator else "unsigned"
    return "signed" if document.docStatus in ("final", "amended") else "unsigned"


def attachment_of(document: DocumentReference) -> Any:
    """The first attachment that is text. Raises Malformed where all are pictures, PDFs or the like."""
    attachments = [content.attachment for content in document.content or ()]
    for wanted in READABLE:
        for attachment in attachments:
            if media_type(attachment.contentType) == wanted and (attachment.data or attachment.url):
                return attachment
    raise Malformed("fhir: the document has no attachment of plain text or HTML")


def media_type(content_type: str | None) -> str:
    return (content_type or "").split(";")[0].strip().lower()


def charset_of(content_type: str | None) -> str:
    for part in (content_type or "").split(";")[1:]:
        name, _, value = part.partition("=")
        if name.strip().lower() == "charset":
            return value.strip().strip('"').lower()
    return "utf-8"


def decoded(data: bytes, content_type: str | None, sha1: bytes | None = None) -> str:
    """The attachment's text. Raises Malformed where its hash or its character set does not fit."""
    if sha1 and not _same_hash(data, sha1):
        raise Malformed("fhir: the attachment is not the one that its hash names")
    try:
        text = data.decode(charset_of(content_type))
    except (UnicodeDecodeError, LookupError):
        text = None
    if text is None:
        raise Malformed("fhir: the attachment does not fit its character set")
    return text if media_type(content_type) == "text/plain" else text_of(text)


def _same_hash(data: bytes, sha1: bytes) -> bool:
    """The models hand the hash on as it was written in base64, or decoded."""
    digest = hashlib.sha1(data).digest()
    return sha1 in (digest, base64.b64encode(digest))


def from_base64(data: bytes | str) -> bytes:
    try:
        return base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError):
        pass
    raise Malformed("fhir: the attachment is not base64")


def patient_of(patient: Patient) -> SourcePatient:
    contacts = patient.contact or ()
    names = [*(patient.name or ()), *(c.name for c in contacts if c.name)]
    places = [*(patient.address or ()), *(c.address for c in contacts if c.address)]
    reach = [*(patient.telecom or ()), *(t for c in contacts for t in c.telecom or ())]
    identifiers = (
        *(word for name in names for word in _name(name)),
        *(i.value for i in patient.identifier or () if i.value),
        *(t.value for t in reach if t.value),
        *(word for place in places for word in _place(place)),
        patient.id or "",
    )
    birth = patient.birthDate if type(patient.birthDate) is date else None
    sex = SEXES.get(patient.gender or "")
    return SourcePatient(patient.id or "", birth, sex, usable_identifiers(identifiers))


def _name(name: Any) -> Iterable[str]:
    given = [g for g in name.given or () if g]
    whole = " ".join([*given, name.family]) if name.family else ""
    turned = f"{name.family}, {' '.join(given)}" if name.family and given else ""
    return (name.text or "", whole, turned, name.family or "", *given)


def _place(place: Any) -> Iterable[str]:
    return (*(place.line or ()), place.city or "", place.postalCode or "", place.text or "")


def encounter_of(
    document: DocumentReference, encounter: Encounter | None, coverage: Coverage | None, zone: tzinfo | None = None
) -> SourceEncounter:
    """`zone`: of the practice, for servers that write every time in UTC: an evening's visit would move to the next
    day."""
    loincs = column("fhir_note_types.tsv", "loinc", "note_type")
    codes = [c.code for c in (document.type.coding if document.type else None) or ()]
    note_type = next((loincs[code] for code in codes if code in loincs), None)
    payer = (coverage.payor[0].display if coverage and coverage.payor else None) or None
    period = (encounter.period if encounter else None) or (document.context.period if document.context else None)
    start = (period.start if period else None) or document.date
    setting = column("fhir_class.tsv", "class", "setting").get(encounter.class_fhir.code or "") if encounter else None
    service = encounter.serviceType if encounter else None
    return SourceEncounter(
        encounter_id=encounter.id if encounter else None,
        date_of_service=_day(start, zone),
        setting=setting,
        note_type=note_type,
        specialty=_words(service),
        payer=payer[:100] if payer else None,
        provider_id=_provider(document, encounter),
    )


def _day(start: date | datetime | None, zone: tzinfo | None) -> date | None:
    if not isinstance(start, datetime):
        return start
    return start.astimezone(zone).date() if zone and start.tzinfo else start.date()


def _words(concept: Any) -> str | None:
    if concept is None:
        return None
    words = concept.text or next((c.display for c in concept.coding or () if c.display), None)
    return words[:100] if words else None


def _provider(document: DocumentReference, encounter: Encounter | None) -> str | None:
    """The reference to who saw the patient, or else to the note's author."""
    seen = [p.individual for p in (encounter.participant if encounter else None) or () if p.individual]
    named = [r.reference for r in [*seen, *(document.author or ())] if r.reference]
    return next((n for n in named if n.startswith("Practitioner")), None)
