"""Our plain data in, FHIR R4 resources out: Claim (a draft), ChargeItem, Task. Each is checked by its model.

Sources: hl7.org/fhir/R4 claim.html, chargeitem.html, task.html. A ChargeItem has no place for modifiers; they stand on
the Claim.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from fhir.resources.R4B.chargeitem import ChargeItem
from fhir.resources.R4B.claim import Claim
from fhir.resources.R4B.task import Task

from codeserve.adapters.base import ChargeLine, CoderTask, DraftCharge
from codeserve.adapters.fhir_read import parsed
from codeserve.adapters.tables import column

Resource = dict[str, Any]


def identifier(system: str, reference: str) -> Resource:
    return {"system": system, "value": reference}


def claim(draft: DraftCharge, system: str, coverage_id: str | None, now: datetime) -> Resource:
    return _checked(
        Claim,
        {
            "resourceType": "Claim",
            "identifier": [identifier(system, draft.reference)],
            "status": "draft",
            "type": _coded("claim_type", "professional"),
            "use": "claim",
            "patient": {"reference": f"Patient/{draft.patient_id}"},
            "created": now.isoformat(timespec="seconds"),
            "provider": _provider(draft),
            "priority": _coded("priority", "normal"),
            "diagnosis": [
                {"sequence": n, "diagnosisCodeableConcept": _coded("icd10cm", code)}
                for n, code in enumerate(draft.diagnoses, 1)
            ],
            "insurance": [{"sequence": 1, "focal": True, "coverage": _coverage(coverage_id)}],
            "item": [_item(line, n, draft) for n, line in enumerate(draft.lines, 1)],
        },
    )


def _item(line: ChargeLine, number: int, draft: DraftCharge) -> Resource:
    item: Resource = {
        "sequence": number,
        "diagnosisSequence": list(line.diagnosis_pointers),
        "productOrService": _coded(line.system, line.code),
        "modifier": [_coded("CPT" if m.isdigit() else "HCPCS", m) for m in line.modifiers],
        "servicedDate": draft.date_of_service.isoformat(),
        "quantity": {"value": line.units},
    }
    if draft.place_of_service:
        item["locationCodeableConcept"] = _coded("place", draft.place_of_service)
    if draft.encounter_id:
        item["encounter"] = [{"reference": f"Encounter/{draft.encounter_id}"}]
    return {key: value for key, value in item.items() if value != []}


def charge_items(draft: DraftCharge, system: str) -> Sequence[Resource]:
    """One a line, `planned`: none of them may be billed before a person says so."""
    return [_charge_item(line, f"{draft.reference}-{n}", draft, system) for n, line in enumerate(draft.lines, 1)]


def _charge_item(line: ChargeLine, reference: str, draft: DraftCharge, system: str) -> Resource:
    item: Resource = {
        "resourceType": "ChargeItem",
        "identifier": [identifier(system, reference)],
        "status": "planned",
        "code": _coded(line.system, line.code),
        "subject": {"reference": f"Patient/{draft.patient_id}"},
        "occurrenceDateTime": draft.date_of_service.isoformat(),
        "quantity": {"value": line.units},
        "reason": [_coded("icd10cm", draft.diagnoses[p - 1]) for p in line.diagnosis_pointers],
        "supportingInformation": [{"type": "Claim", "identifier": identifier(system, draft.reference)}],
    }
    if draft.encounter_id:
        item["context"] = {"reference": f"Encounter/{draft.encounter_id}"}
    return _checked(ChargeItem, item)


def task(asked: CoderTask, system: str, now: datetime) -> Resource:
    focus = f"Claim/{asked.draft.platform_id}" if asked.draft else f"DocumentReference/{asked.document_id}"
    made: Resource = {
        "resourceType": "Task",
        "identifier": [identifier(system, asked.reference)],
        "status": "requested",
        "intent": "order",
        "priority": asked.priority,
        "code": {"text": asked.title},
        "description": asked.reason,
        "focus": {"reference": focus},
        "for": {"reference": f"Patient/{asked.patient_id}"},
        "authoredOn": now.isoformat(timespec="seconds"),
    }
    if asked.encounter_id:
        made["encounter"] = {"reference": f"Encounter/{asked.encounter_id}"}
    if asked.link:
        made["input"] = [{"type": {"text": "link"}, "valueUrl": asked.link}]
    return _checked(Task, made)


def _checked(model: Any, resource: Resource) -> Resource:
    """The resource as its model writes it."""
    written: Resource = parsed(model, resource).model_dump(mode="json", by_alias=True, exclude_none=True)
    return written


def _coded(system: str, code: str) -> Resource:
    return {"coding": [{"system": column("fhir_systems.tsv", "name", "system")[system], "code": code}]}


def _provider(draft: DraftCharge) -> Resource:
    if draft.provider_id:
        return {"reference": draft.provider_id}
    if draft.provider_npi:
        return {"identifier": identifier(column("fhir_systems.tsv", "name", "system")["npi"], draft.provider_npi)}
    return {"display": "not named by the platform"}


def _coverage(coverage_id: str | None) -> Resource:
    """A Claim must name one; where none is on file the reference says so."""
    return {"reference": f"Coverage/{coverage_id}"} if coverage_id else {"display": "none on file"}
