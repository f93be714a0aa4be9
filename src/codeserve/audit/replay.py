"""Coding a note again as it was coded then, and saying whether the answer is the same or why not.

The text of a note is kept for a short time only. After it, whoever replays brings the note from the platform; its hash
says whether it is the one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from typing import Any

from codeserve.audit.comparison import Comparison, compare
from codeserve.audit.records import Record
from codeserve.audit.trail import append
from codeserve.errors import InvalidNote, NotFound
from codeserve.storage.engine import Database
from codeserve.storage.retention import cached_note
from codeserve.storage.sealing import unseal_json
from codeserve.storage.tables import Document, Suggestion, now

Code = Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]
MOST_REASONS = 20


def stored(
    database: Database, tenant: str, suggestion_id: str, note: str | None = None
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The request, with its text, and the response of a suggestion. `note`: the text, where it is not kept any more.

    Raises NotFound for an unknown suggestion, InvalidNote where the text is not there or is another one.
    """
    with database.read() as session:
        found = session.get(Suggestion, (tenant, suggestion_id))
        if found is None:
            raise NotFound("There is no such suggestion")
        document = session.get_one(Document, (tenant, found.document_id))
        text = note if note is not None else cached_note(database.keys, document, now())
        request: dict[str, Any] | None = unseal_json(database.keys, found, "request")
        response: dict[str, Any] = unseal_json(database.keys, found, "response")
    if request is None:
        raise NotFound("What was asked then was not stored")
    if text is None:
        raise InvalidNote("The text of the note is not kept any more", hint="fetch it and give it with --note FILE")
    if hashlib.sha256(text.encode()).hexdigest() != response["note_sha256"]:
        raise InvalidNote("This is not the text that was coded then: its hash is another one")
    return {**request, "text": text}, response


async def replay(
    database: Database, tenant: str, suggestion_id: str, code: Code, actor: str, note: str | None = None
) -> Comparison:
    """Code it again by `code` (a request to a response), compare, and record it."""
    request, then = stored(database, tenant, suggestion_id, note)
    found = compare(then, await code(request))
    details = {"same": found.verdict == "same", "reasons": [reason[:500] for reason in found.told[:MOST_REASONS]]}
    with database.write() as session:
        record = Record(tenant, actor, "REPLAYED", suggestion_id=suggestion_id, details=details)
        append(session, database.keys, record)
    return found
