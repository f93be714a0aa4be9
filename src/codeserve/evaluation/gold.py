"""Notes with their gold codes, from JSON Lines.

A note: `id`, `text`, and what is known of the visit: `age`, `sex`, `first`, `last`, `doctor`, `encounter` (the fields
of the API's encounter), `part`, `kind`. Its gold: `id`, `codes` (ICD-10-CM), `status` (status codes that may be added,
scored apart), `procedures` (`code`, `modifiers`, `units`), `em` (`code`, `modifiers`, levels of the elements, or null).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from codeserve.errors import InvalidNote


class Service(NamedTuple):
    code: str
    modifiers: tuple[str, ...] = ()
    units: int = 1


@dataclass(frozen=True, slots=True)
class Gold:
    """`services` are None where this gold says nothing of procedures and E/M; `em` None: no E/M is billed."""

    codes: tuple[str, ...]
    status: tuple[str, ...] = ()
    services: tuple[Service, ...] | None = None
    em: str | None = None


@dataclass(frozen=True, slots=True)
class Note:
    """`request`: a body of POST /v1/extract-codes."""

    id: str
    request: dict[str, Any]
    gold: Gold
    part: str = ""
    kind: str = ""

    @property
    def text(self) -> str:
        return str(self.request["text"])


def read(notes: Sequence[Path], gold: Sequence[Path]) -> tuple[Note, ...]:
    """The notes that have gold, in the files' order. Raises InvalidNote with file and line for what cannot be read."""
    known = {row["id"]: _gold(row) for file in gold for row in _rows(file)}
    found = [_note(row, known[row["id"]]) for file in notes for row in _rows(file) if row["id"] in known]
    if not found:
        raise InvalidNote("no note has gold codes", hint="the ids of both files must agree")
    return tuple(found)


def _rows(file: Path) -> Iterator[dict[str, Any]]:
    try:
        lines = file.read_bytes().splitlines()
    except OSError as error:
        raise InvalidNote(f"{file} cannot be read ({type(error).__name__})") from None
    for number, line in enumerate(lines, 1):
        try:
            row = orjson.loads(line)
            row["id"]
        except (orjson.JSONDecodeError, KeyError, TypeError):
            raise InvalidNote(f"{file}, line {number}: no JSON object with an id") from None
        yield row


def _gold(row: dict[str, Any]) -> Gold:
    services = row.get("procedures")
    return Gold(
        codes=tuple(row["codes"]),
        status=tuple(row.get("status", ())),
        services=None if services is None else tuple(_service(one) for one in services),
        em=(row.get("em") or {}).get("code"),
    )


def _service(row: dict[str, Any]) -> Service:
    return Service(row["code"], tuple(row.get("modifiers", ())), int(row.get("units", 1)))


def _note(row: dict[str, Any], gold: Gold) -> Note:
    sex, age = str(row.get("sex") or "").strip().lower(), str(row.get("age") or "").strip()
    patient: dict[str, Any] = {"identifiers": _identifiers(row)}
    if sex in ("female", "male", "other"):
        patient["sex"] = sex
    if age:
        patient["age"] = int(float(age))
    encounter = {**row.get("encounter", {}), "patient": patient}
    request = {"document_id": row["id"], "text": row["text"], "encounter": encounter}
    return Note(row["id"], request, gold, row.get("part", row.get("split", "")), row.get("kind", row.get("subset", "")))


def _identifiers(row: dict[str, Any]) -> list[str]:
    """What a platform would send: the patient's name and the clinician's."""
    patient = " ".join(str(row.get(part) or "").strip() for part in ("first", "last")).strip()
    return [name for name in (patient, str(row.get("doctor") or "").strip()) if len(name) > 1]
