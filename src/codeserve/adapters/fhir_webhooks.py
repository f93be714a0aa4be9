"""Notifications of a FHIR server, as `rest-hook` Subscriptions send them.

Two forms: the Bundle of the Subscriptions R5 Backport guide (STU 1.1; the status is a Parameters resource on R4, a
SubscriptionStatus on R4B), and the bare DocumentReference of R4's own Subscription. FHIR signs neither: the secret is
what we put into `Subscription.channel.header`, as "Authorization: Bearer …".
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from codeserve.adapters.base import WebhookEvent
from codeserve.adapters.shapes import SHAPE_ERRORS
from codeserve.adapters.webhooks import check_age, check_secret, header, read_json
from codeserve.errors import BadRequest


def verified(headers: Mapping[str, str], body: bytes, now: datetime, secret: str) -> tuple[WebhookEvent, ...]:
    check_secret(header(headers, "Authorization"), f"Bearer {secret}" if secret else "")
    sent = read_json(body)
    try:
        if sent.get("resourceType") == "Bundle":
            return _of_bundle(sent, now)
        if sent.get("resourceType") == "DocumentReference":
            return (_of_document(sent),)
    except SHAPE_ERRORS:
        pass
    raise BadRequest("The delivery is neither a notification Bundle nor a DocumentReference")


def _of_document(document: Mapping[str, Any]) -> WebhookEvent:
    meta = document.get("meta") or {}
    if not isinstance(document.get("id"), str) or not isinstance(meta, dict):
        raise BadRequest("The DocumentReference has no id")
    version = str(meta.get("versionId") or meta.get("lastUpdated") or "")
    return WebhookEvent(f"{document['id']}/{version}", "signed", document["id"], version or None)


def _of_bundle(bundle: Mapping[str, Any], now: datetime) -> tuple[WebhookEvent, ...]:
    """`Bundle.timestamp` is when the notification was made; of a handshake or a heartbeat no event comes."""
    made = _time(bundle.get("timestamp"))
    if made:
        check_age(made, now)
    entries = [e["resource"] for e in bundle.get("entry") or () if isinstance(e, dict) and "resource" in e]
    status = next((r for r in entries if r.get("resourceType") in ("Parameters", "SubscriptionStatus")), None)
    if status is None:
        raise BadRequest("The notification has no status")
    told = _parameters(status) if status["resourceType"] == "Parameters" else status
    if told.get("type") in ("handshake", "heartbeat"):
        return ()
    subscription = str((told.get("subscription") or {}).get("reference") or "")
    name = "notification-event" if status["resourceType"] == "Parameters" else "notificationEvent"
    return tuple(_event(event, subscription) for event in told.get(name) or ())


def _parameters(status: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters as a mapping: a repeated name with parts becomes a list."""
    told: dict[str, Any] = {}
    for parameter in status.get("parameter") or ():
        if "part" in parameter:
            told.setdefault(parameter["name"], []).append(dict(_values(parameter["part"])))
        else:
            told.update(_values([parameter]))
    return told


def _values(parameters: Iterable[Mapping[str, Any]]) -> Iterable[tuple[str, Any]]:
    for parameter in parameters:
        values = [value for key, value in parameter.items() if key.startswith("value")]
        if values and isinstance(parameter.get("name"), str):
            yield parameter["name"], values[0]


def _event(event: Mapping[str, Any], subscription: str) -> WebhookEvent:
    """`event-number` on R4, `eventNumber` on R4B; the number is of the subscription, and the same when sent again."""
    number = str(event.get("event-number") or event.get("eventNumber") or "")
    if not number.isdigit() or not subscription:
        raise BadRequest("The notification numbers no event of a subscription")
    focus = (event.get("focus") or {}).get("reference") or ""
    document = re.search(r"(?:^|/)DocumentReference/([A-Za-z0-9.-]{1,64})", str(focus))
    event_id = f"{subscription.rsplit('/', 1)[-1]}#{number}"
    kind = "signed" if document else "other"
    return WebhookEvent(event_id, kind, document[1] if document else None, None, _time(event.get("timestamp")))  # type: ignore[arg-type]


def _time(written: Any) -> datetime | None:
    if written is None:
        return None
    try:
        read = datetime.fromisoformat(str(written))
    except ValueError:
        read = None
    if read is None or read.tzinfo is None:
        raise BadRequest("A time of the notification cannot be read")
    return read
