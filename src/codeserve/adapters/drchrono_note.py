"""A DrChrono clinical note as text, and a DrChrono patient in our words.

A note is made of sections with values; what a value means stands in its field's type: its name, and whether it is
text or a box that was ticked (reference, "clinical_note_field_values").
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from codeserve.adapters.base import Sex, SourcePatient, usable_identifiers
from codeserve.adapters.rest import Object, a_date, a_text

SEXES: dict[str, Sex] = {"Female": "female", "Male": "male", "Other": "other"}
NAMES = ("first_name", "middle_name", "last_name", "nick_name", "previous_name")
NUMBERS = ("chart_id", "social_security_number", "home_phone", "cell_phone", "office_phone", "email", "id")
PLACES = ("address", "city", "zip_code")
OTHERS = ("emergency_contact_name", "emergency_contact_phone", "responsible_party_name", "responsible_party_phone")


def text_of_note(note: Object, fields: Iterable[Object]) -> str:
    """Each section under its name; a section without anything said is left out."""
    types = {a_text(field, "id"): field for field in fields}
    blocks = []
    for section in note.get("clinical_note_sections") or ():
        lines = [line for value in section.get("values") or () for line in _said(value, types)]
        if lines:
            blocks.append("\n".join([*filter(None, [a_text(section, "name")]), *lines]))
    return "\n\n".join(blocks)


def _said(value: Object, types: dict[str, Object]) -> Iterator[str]:
    field = types.get(a_text(value, "clinical_note_field"), {})
    name, kind, said = a_text(field, "name"), a_text(field, "data_type"), a_text(value, "value")
    if kind in ("Header", "SubHeader"):
        yield name
    elif kind == "Checkbox":
        if said == "True":
            yield name
    elif kind == "NullCheckbox":
        if said in ("1", "2"):
            yield f"{name}: {'Yes' if said == '2' else 'No'}"
    elif said:
        yield said if not name else f"{name}:\n{said}" if "\n" in said else f"{name}: {said}"


def patient_of(patient: Object) -> SourcePatient:
    names = [a_text(patient, name) for name in NAMES]
    first, middle, last = names[:3]
    whole = [" ".join(filter(None, part)) for part in ((first, last), (first, middle, last))]
    numbers = [a_text(patient, name) for name in (*NUMBERS, *PLACES, *OTHERS)]
    insured = [
        a_text(patient.get(kind) or {}, "insurance_id_number") for kind in ("primary_insurance", "secondary_insurance")
    ]
    turned = [f"{last}, {first}"] if first and last else []
    identifiers = usable_identifiers([*whole, *turned, *names, *numbers, *insured])
    sex = SEXES.get(a_text(patient, "gender"))
    return SourcePatient(a_text(patient, "id"), a_date(patient, "date_of_birth"), sex, identifiers)
