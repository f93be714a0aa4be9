"""Encrypted columns of a row: `seal(keys, document, "note", text)`, `unseal(keys, document, "note")`."""

from __future__ import annotations

from typing import Any

import orjson

from codeserve.storage.base import Row
from codeserve.storage.crypto import Context, KeyRing


def context(row: Row, column: str) -> Context:
    return Context(row.tenant, row.__tablename__, column, row.id)


def seal(keys: KeyRing, row: Row, column: str, plain: str | bytes) -> None:
    """Encrypt for this very row, which has its tenant and id already, and put it into the column."""
    data = plain.encode() if isinstance(plain, str) else plain
    setattr(row, column, keys.seal(data, context(row, column)))


def seal_json(keys: KeyRing, row: Row, column: str, value: Any) -> None:
    seal(keys, row, column, orjson.dumps(value))


def unseal(keys: KeyRing, row: Row, column: str) -> bytes | None:
    """None where nothing is stored. Raises SetupError for a missing key, StoredDataBroken for a changed value."""
    sealed: bytes | None = getattr(row, column)
    return None if sealed is None else keys.unseal(sealed, context(row, column))


def unseal_text(keys: KeyRing, row: Row, column: str) -> str | None:
    plain = unseal(keys, row, column)
    return None if plain is None else plain.decode()


def unseal_json(keys: KeyRing, row: Row, column: str) -> Any:
    plain = unseal(keys, row, column)
    return None if plain is None else orjson.loads(plain)
