"""A valid record of every kind, and an answer as /v1/extract-codes gives it."""

from __future__ import annotations

from typing import Any

from codeserve.audit.records import COLUMNS, Record, kinds

SHA = "ab" * 32
SPAN = {"start": 10, "end": 30, "text": "sprained left ankle", "section": "hpi"}
SAMPLES: dict[str, Any] = {
    "amounts": {"documents": 3},
    "approved_by": "carol",
    "code_after": "S93.401A",
    "code_before": "99213-25",
    "codes": [{"code": "S93.402A", "confidence": 0.97, "evidence": [[10, 30]], "modifiers": ["LT"], "units": 1}],
    "count": 2,
    "error": "DraftRefused",
    "event": "ev1",
    "figures": {"match_rate": 0.97, "override_rate": None},
    "filters": {"actor": "ann"},
    "final_codes": [{"code": "99213", "modifiers": ["25"], "units": 1}],
    "format": "csv",
    "holder": "ann",
    "job": "j1",
    "key_id": "5f2c01aa93d4",
    "lease_s": 900,
    "line": "diagnosis 1",
    "mode": "assisted",
    "mode_after": "assisted",
    "mode_before": "shadow",
    "permission": "decide",
    "platform": "fhir",
    "platform_id": "4711",
    "previous_id": "d0",
    "reason": "the note says right",
    "reasons": ["confidence 0.91 is below 0.95"],
    "reference": "cs-d1",
    "review_s": 31.5,
    "route": "review",
    "same": True,
    "specialty": "cardiology",
    "threshold": 0.95,
    "version": "2",
    "what": "item",
}
_COLUMN_SAMPLES: dict[str, Any] = {name: f"{name}-1" for name in COLUMNS[:4]} | {
    "note_sha256": SHA,
    "versions": {"tagger": "1", "lexicon": "2"},
}


def record(action: str, tenant: str = "north", actor: str = "ann", **columns: Any) -> Record:
    """With all that its kind needs and may have."""
    names = kinds()[action].requires | kinds()[action].may
    given = {name: sample for name, sample in _COLUMN_SAMPLES.items() if name in names}
    details = {name: sample for name, sample in SAMPLES.items() if name in names}
    return Record(tenant, actor, action, **{**given, "details": details, **columns})


_REST: dict[str, Any] = {"alternatives": [], "rationale": None, "description": "a sprain of the left ankle"}
RESPONSE: dict[str, Any] = {
    "encounter_id": "e1",
    "document_id": "ext-1",
    "diagnosis_codes": [{"code": "S93.402A", "confidence": 0.97, "evidence": [SPAN], "sequence": 1, **_REST}],
    "procedure_codes": [
        {"code": "29540", "confidence": 0.9, "evidence": [SPAN], "modifiers": ["LT"], "units": 1, **_REST}
    ],
    "em": {
        "code": "99213",
        "confidence": 0.88,
        "modifiers": ["25"],
        "problems": {"level": "low", "items": [{"evidence": [SPAN, {**SPAN, "start": 40, "end": 52}]}]},
        "data": {"level": "none", "items": [{"evidence": [SPAN]}]},
        "risk": {"level": "low", "items": []},
        "also": [{"code": "G2211", "units": 1, "modifiers": [], "why": "", "evidence": []}],
    },
    "route": {"decision": "review", "threshold": 0.95, "reasons": ["one code is below the threshold"]},
    "model": {"name": "codeserve-embedded-1", "versions": {"tagger": "t1", "lexicon": "l1"}},
    "note_sha256": SHA,
}
