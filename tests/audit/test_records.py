from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from codeserve.audit.records import COLUMNS, TYPES, Record, fields, kinds, require
from codeserve.audit.suggested import ai_suggested, codes_of
from codeserve.errors import InvalidRecord
from tests.audit.examples import RESPONSE, SAMPLES, record


def test_the_tables_name_what_there_is() -> None:
    assert set(fields().values()) <= set(TYPES)
    assert not set(fields()) & set(COLUMNS)
    used = {name for kind in kinds().values() for name in kind.requires | kind.may}
    assert set(fields()) <= used
    assert all(kind.requires.isdisjoint(kind.may) and kind.requires and kind.meaning for kind in kinds().values())


@pytest.mark.parametrize("action", sorted(kinds()))
def test_a_record_needs_each_field_of_its_kind_and_may_have_no_other(action: str) -> None:
    whole = record(action)
    require(whole)
    for name in kinds()[action].requires:
        if name in COLUMNS:
            lacking = replace(whole, **{name: {} if name == "versions" else None})
        else:
            lacking = replace(whole, details={k: v for k, v in whole.details.items() if k != name})
        with pytest.raises(InvalidRecord, match=f"lacks {name}"):
            require(lacking)
    for extra in ("text", "note", "evidence_text"):
        with pytest.raises(InvalidRecord, match=f"may not have {extra}"):
            require(replace(whole, details={**whole.details, extra: "x"}))


EVIDENCE = {"code": "I10", "confidence": 0.9, "evidence": [[0, 4]]}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("review_s", -1),
        ("review_s", float("nan")),
        ("review_s", True),
        ("reason", " "),
        ("reason", "x" * 501),
        ("mode", "manual"),
        ("threshold", 1.1),
        ("count", 1.5),
        ("platform", "two\nlines"),
        ("same", 1),
        ("code_after", "J45.909 asthma"),
        ("codes", [{**EVIDENCE, "evidence": [[0, 4, 9]]}]),
        ("codes", [{**EVIDENCE, "evidence": [[4, 0]]}]),
        ("codes", [{**EVIDENCE, "evidence": [{"start": 0, "end": 4, "text": "pain"}]}]),
        ("codes", [{**EVIDENCE, "description": "hypertension"}]),
        ("codes", [{"code": "I10", "evidence": []}]),
        ("final_codes", [{"code": "I10", "note": "x"}]),
        ("figures", {"match_rate": "high"}),
        ("filters", {"actor": 3}),
        ("amounts", [1]),
    ],
)
def test_an_unusable_value_is_refused_and_not_repeated(name: str, value: Any) -> None:
    action = next(action for action, kind in kinds().items() if name in kind.requires | kind.may)
    whole = record(action)
    with pytest.raises(InvalidRecord, match=name) as caught:
        require(replace(whole, details={**whole.details, name: value}))
    assert "asthma" not in caught.value.detail


@pytest.mark.parametrize(
    "wrong", [{"actor": ""}, {"tenant": "a\nb"}, {"note_sha256": "abc"}, {"versions": {"a": 1}}, {"action": "EDIT"}]
)
def test_an_unusable_column_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidRecord):
        require(replace(record("AI_SUGGESTED"), **wrong))


def test_every_field_has_a_sample_that_its_type_takes() -> None:
    assert set(SAMPLES) == set(fields())
    assert all(TYPES[fields()[name]](value) for name, value in SAMPLES.items())


def test_an_answer_becomes_codes_and_offsets_without_its_words() -> None:
    made = ai_suggested("north", "worker", "d1", "s1", "assisted", RESPONSE)
    require(made)
    assert [line["code"] for line in codes_of(RESPONSE)] == ["S93.402A", "29540", "99213", "G2211"]
    first, strapping, visit, beside = codes_of(RESPONSE)
    assert first == {"code": "S93.402A", "confidence": 0.97, "evidence": [[10, 30]]}
    assert strapping["modifiers"] == ["LT"]
    assert (visit["evidence"], visit["modifiers"]) == ([(10, 30), (40, 52)], ["25"])
    assert beside["units"] == 1
    assert "ankle" not in repr(made)
    assert isinstance(made, Record)
