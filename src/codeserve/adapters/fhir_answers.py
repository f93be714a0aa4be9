"""What a FHIR server answers, before it is a resource of a known kind."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from codeserve.adapters.errors import Malformed
from codeserve.adapters.http import Answer


def an_object(answer: Answer) -> dict[str, Any]:
    found = answer.json()
    if not isinstance(found, dict):
        raise Malformed("fhir: not a resource")
    return found


def a_bundle(answer: Answer) -> dict[str, Any]:
    """The resources and the next page of a searchset. Only its frame is read strictly: one odd resource must not hide
    the others of its page."""
    found = an_object(answer)
    if found.get("resourceType") != "Bundle":
        raise Malformed("fhir: not a Bundle")
    resources = [entry.get("resource") for entry in _objects(found, "entry")]
    following = next((link.get("url") for link in _objects(found, "link") if link.get("relation") == "next"), None)
    if following is not None and not isinstance(following, str):
        raise Malformed("fhir: the next page has no address")
    return {"resources": [r for r in resources if isinstance(r, dict)], "next": following}


def _objects(found: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    listed = found.get(name)
    return [one for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []


def the_made_id(answer: Answer, kind: str) -> str:
    """The id of what was created: from the body, or else from Location."""
    if answer.body:
        found = an_object(answer)
        if found.get("resourceType") == kind and isinstance(found.get("id"), str):
            return str(found["id"])
    place = re.search(rf"{kind}/([A-Za-z0-9.-]{{1,64}})", answer.headers.get("location", ""))
    if place is None:
        raise Malformed("fhir: it does not say what it created")
    return place[1]
