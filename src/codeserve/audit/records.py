"""What a record holds. Kinds and fields are data/audit/events.tsv and fields.tsv; a record that lacks a field, or has
one that its kind does not know, is refused: the text of a note finds no place here."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from math import isfinite
from typing import Any

from codeserve.errors import InvalidRecord

COLUMNS = ("encounter_id", "document_id", "suggestion_id", "item_id", "note_sha256", "versions")
MODES = ("shadow", "assisted", "automated")
_NAME = re.compile(r"[^\x00-\x1f\x7f]{1,200}")
_CODE = re.compile(r"[A-Z0-9][A-Z0-9.-]{1,23}")
_HASH = re.compile(r"[0-9a-f]{64}")
_TEXT = 500


@dataclass(frozen=True, slots=True)
class Record:
    """`actor`: who did it, a principal's subject or the service's name; `versions`: of models, tables, lexicon and
    rules."""

    tenant: str
    actor: str
    action: str
    encounter_id: str | None = None
    document_id: str | None = None
    suggestion_id: str | None = None
    item_id: str | None = None
    note_sha256: str | None = None
    versions: Mapping[str, str] = field(default_factory=dict)
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Kind:
    requires: frozenset[str]
    may: frozenset[str]
    meaning: str


def require(record: Record) -> None:
    """Raises InvalidRecord that names the field, never its value."""
    kind = kinds().get(record.action)
    if kind is None:
        raise InvalidRecord(f"there is no kind of audit record {record.action!r}")
    given = {name for name in COLUMNS if getattr(record, name)} | set(record.details)
    problems = [f"lacks {name}" for name in sorted(kind.requires - given)]
    problems += [f"may not have {name}" for name in sorted(given - kind.requires - kind.may)]
    problems += [f"has an unusable {name}" for name in _unusable(record)]
    if problems:
        raise InvalidRecord(f"an audit record {record.action} {', '.join(problems)}")


def _unusable(record: Record) -> Iterator[str]:
    for name in ("tenant", "actor"):
        if not _name(getattr(record, name)):
            yield name
    for name in COLUMNS[:4]:
        if getattr(record, name) is not None and not _name(getattr(record, name)):
            yield name
    if record.note_sha256 is not None and not _HASH.fullmatch(record.note_sha256):
        yield "note_sha256"
    if not _labels(record.versions):
        yield "versions"
    types = fields()
    yield from (name for name, value in record.details.items() if name in types and not TYPES[types[name]](value))


@cache
def kinds() -> Mapping[str, Kind]:
    """Every kind of record by its name."""
    known = {*COLUMNS, *fields()}
    found = {}
    for row in _rows("events.tsv"):
        kind = Kind(frozenset(row["requires"].split()), frozenset(row["may"].split()), row["meaning"])
        assert known >= kind.requires | kind.may, f"{row['action']} names an unknown field"
        found[row["action"]] = kind
    return found


@cache
def fields() -> Mapping[str, str]:
    """Every field of the details, and its type."""
    return {row["field"]: row["type"] for row in _rows("fields.tsv")}


def _rows(name: str) -> list[dict[str, str]]:
    text = (files("codeserve.data") / "audit" / name).read_text(encoding="utf-8")
    return list(csv.DictReader((line for line in text.splitlines() if not line.startswith("#")), delimiter="\t"))


def _name(value: Any) -> bool:
    return isinstance(value, str) and bool(_NAME.fullmatch(value)) and bool(value.strip())


def _text(value: Any) -> bool:
    return isinstance(value, str) and 0 < len(value.strip()) <= len(value) <= _TEXT


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value) and value >= 0


def _count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _share(value: Any) -> bool:
    return _number(value) and value <= 1


def _code(value: Any) -> bool:
    return isinstance(value, str) and bool(_CODE.fullmatch(value))


def _labels(value: Any) -> bool:
    return isinstance(value, Mapping) and all(_name(k) and _name(v) for k, v in value.items())


def _all(check: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, list | tuple) and all(check(one) for one in value)


def _named(check: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, Mapping) and all(_name(k) and check(v) for k, v in value.items())


def _line(value: Any, needed: frozenset[str]) -> bool:
    """A code with what belongs to it. Evidence is offsets only."""
    checks = {
        "code": _code,
        "confidence": _share,
        "evidence": _all(lambda span: _all(_count)(span) and len(span) == 2 and span[0] < span[1]),
        "modifiers": _all(_code),
        "units": _count,
    }
    if not isinstance(value, Mapping) or not needed <= set(value) <= set(checks):
        return False
    return all(checks[name](part) for name, part in value.items())


SUGGESTED, CODED = frozenset({"code", "confidence", "evidence"}), frozenset({"code"})
TYPES: Mapping[str, Callable[[Any], bool]] = {
    "name": _name,
    "text": _text,
    "texts": _all(_text),
    "number": _number,
    "count": _count,
    "counts": _named(_count),
    "figures": _named(lambda value: value is None or _number(value)),
    "labels": _labels,
    "share": _share,
    "flag": lambda value: isinstance(value, bool),
    "mode": lambda value: value in MODES,
    "code": _code,
    "suggested": _all(lambda value: _line(value, SUGGESTED)),
    "coded": _all(lambda value: _line(value, CODED)),
}
