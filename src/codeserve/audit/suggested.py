"""What an answer of /v1/extract-codes becomes in the trail: codes, confidences and offsets, none of its words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from codeserve.audit.records import Record


def codes_of(response: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Diagnoses, procedures, then the visit's code with those beside it. An E/M's evidence is that of its elements."""
    lines = [_line(one) for one in (*response["diagnosis_codes"], *response["procedure_codes"])]
    visit = response.get("em")
    if visit:
        items = [item for part in ("problems", "data", "risk") for item in visit[part]["items"]]
        evidence = [span for item in items for span in _spans(item["evidence"])]
        lines.append({**_line({**visit, "evidence": []}), "evidence": sorted(set(map(tuple, evidence)))})
        lines += [_line({**one, "confidence": visit["confidence"]}) for one in visit["also"]]
    return lines


def ai_suggested(
    tenant: str, actor: str, document_id: str, suggestion_id: str, mode: str, response: Mapping[str, Any]
) -> Record:
    """The record of a suggestion; `response` as the JSON of ExtractResponse."""
    route = response["route"]
    return Record(
        tenant,
        actor,
        "AI_SUGGESTED",
        encounter_id=response["encounter_id"],
        document_id=document_id,
        suggestion_id=suggestion_id,
        note_sha256=response["note_sha256"],
        versions=response["model"]["versions"],
        details={
            "codes": codes_of(response),
            "mode": mode,
            "route": route["decision"],
            "reasons": route["reasons"],
            "threshold": route["threshold"],
        },
    )


def _line(one: Mapping[str, Any]) -> dict[str, Any]:
    line = {"code": one["code"], "confidence": one["confidence"], "evidence": _spans(one["evidence"])}
    return {**line, **{name: one[name] for name in ("modifiers", "units") if one.get(name)}}


def _spans(evidence: Iterable[Mapping[str, Any]]) -> list[list[int]]:
    return [[span["start"], span["end"]] for span in evidence]
