"""Notes from files, redacted: for `codeserve redact`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import orjson

from codeserve.errors import InvalidNote
from codeserve.notes.redaction import Redaction, Redactor


def spans_of(redaction: Redaction) -> list[dict[str, Any]]:
    """What went: [start, end) in code points of the note as it came, and its kind."""
    return [{"start": hit.span.start, "end": hit.span.end, "kind": hit.kind} for hit in redaction.spans]


def redact_line(redactor: Redactor, line: bytes) -> dict[str, Any]:
    """`document_id`, `text` in; `document_id`, `redacted`, `spans` out, or an `error` that says nothing of the note."""
    try:
        row = orjson.loads(line)
    except orjson.JSONDecodeError:
        return {"error": "the line is not JSON"}
    if not isinstance(row, dict) or not isinstance(row.get("text"), str):
        return {"error": "the line has no text"}
    redaction = redactor.redact(row["text"])
    return {"document_id": row.get("document_id"), "redacted": redaction.text, "spans": spans_of(redaction)}


def redact_file(source: Path, target: Path) -> tuple[int, int]:
    """A line out for each line in, same order; `target` appears whole or not at all. Returns lines and errors."""
    redactor, lines, errors = Redactor(), 0, 0
    beside = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        with source.open("rb") as file, beside.open("wb") as out:
            for line in file:
                if line.strip():
                    answer = redact_line(redactor, line)
                    out.write(orjson.dumps(answer) + b"\n")
                    lines, errors = lines + 1, errors + ("error" in answer)
            out.flush()
            os.fsync(out.fileno())
        beside.replace(target)
    except OSError as error:
        raise InvalidNote(f"{source} cannot be redacted into {target} ({type(error).__name__})") from None
    finally:
        beside.unlink(missing_ok=True)
    return lines, errors
