"""Suggestions of one practice that wait for a coder, as the worker stores them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import orjson

from codeserve.api.schemas import ExtractRequest
from codeserve.storage.engine import Database
from codeserve.storage.sealing import seal_json
from codeserve.storage.tables import Charge, Suggestion, WorklistItem
from codeserve.worklist import items
from tests.api.fakes import answer
from tests.storage.rows import document

TEXT = "Seen for chest pain since Monday. ECG done and read today: normal."


def response(encounter_id: str = "e1") -> dict[str, Any]:
    """R07.9, 93000 and a visit, 99213; one warning."""
    asked = {"document_id": "d1", "text": TEXT, "encounter": {"encounter_id": encounter_id, "setting": "office"}}
    return answer(ExtractRequest.model_validate_json(orjson.dumps(asked))).model_dump(mode="json")


def waiting(
    database: Database, tenant: str = "north", encounter_id: str = "e1", mode: str = "assisted", **changes: Any
) -> WorklistItem:
    """One item in the queue, with its document, suggestion and posted charge."""
    told = response(encounter_id)
    about = document(database.keys, tenant, external_id=encounter_id)
    made = Suggestion(tenant=tenant, document_id=about.id, versions=told["model"]["versions"], mode=mode)
    made.route, made.created_at = "review", datetime.now(UTC)
    seal_json(database.keys, made, "response", told)
    charge = Charge(tenant=tenant, document_id=about.id, suggestion_id=made.id, reference=f"cs-{about.id}")
    charge.state, charge.platform_id = "posted", "claim-1"
    with database.write() as session:
        for row in (about, made, charge):
            session.add(row)
            session.flush()
        item = items.enlist(session, made, told, specialty="cardiology", draft_problem="", amended="")
        for name, value in changes.items():
            setattr(item, name, value)
    return item
