"""Envelope encryption: each value has a data key of its own, and the data key is wrapped by a key of the key ring.

A sealed value is

    "CS1" | id of the wrapping key, 6 bytes | data key wrapped (AES key wrap, RFC 3394), 40 | nonce, 12 | AES-256-GCM

The context (tenant, table, column, row) is authenticated with the text, so a value cannot be moved to another row. The
wrapping key is not part of what is authenticated: a new one wraps the data key again, and the text stays as it is.
Wrapping is deterministic and needs no nonce, so a key may wrap any number of data keys; each of these seals one text.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap, aes_key_wrap

from codeserve.errors import SetupError, StoredDataBroken

MAGIC = b"CS1"
KEY_BYTES = 32
ID_BYTES = 6
HEADER = len(MAGIC) + ID_BYTES
_WRAPPED = KEY_BYTES + 8
_NONCE = 12
_SHORTEST = HEADER + _WRAPPED + _NONCE + 16


@dataclass(frozen=True, slots=True)
class Context:
    """Where a value stands. It is no secret, and is needed to read the value."""

    tenant: str
    table: str
    column: str
    row: str

    @property
    def bytes(self) -> bytes:
        """Different for different contexts, whatever the parts hold."""
        return json.dumps([self.tenant, self.table, self.column, self.row]).encode()

    @property
    def place(self) -> str:
        """For messages: no tenant, no row."""
        return f"{self.table}.{self.column}"


def key_id(key: bytes) -> str:
    """12 hex digits, made from the key, so that another key under this name is found out when the ring is read."""
    return hmac.new(key, b"codeserve key id", hashlib.sha256).hexdigest()[: 2 * ID_BYTES]


class KeyRing:
    """`keys` by their ids; `active` is the one that wraps. Raises SetupError for an id that is not of its key."""

    def __init__(self, active: str, keys: Mapping[str, bytes]) -> None:
        for name, key in keys.items():
            if len(key) != KEY_BYTES or key_id(key) != name:
                raise SetupError(f"the key ring's key {name} is damaged or another key stands under its id")
        if active not in keys:
            raise SetupError(f"the key ring holds no key of the id {active}, which it calls active")
        self.active = active
        self._keys = dict(keys)

    @property
    def ids(self) -> tuple[str, ...]:
        return tuple(self._keys)

    def seal(self, plain: bytes, context: Context) -> bytes:
        data_key, nonce = AESGCM.generate_key(KEY_BYTES * 8), os.urandom(_NONCE)
        body = AESGCM(data_key).encrypt(nonce, plain, context.bytes)
        return self._head(data_key) + nonce + body

    def unseal(self, sealed: bytes, context: Context) -> bytes:
        """Raises SetupError where the ring lacks the key, and StoredDataBroken where the value was changed or moved."""
        data_key = self._data_key(sealed, context)
        rest = sealed[HEADER + _WRAPPED :]
        try:
            return AESGCM(data_key).decrypt(rest[:_NONCE], rest[_NONCE:], context.bytes)
        except InvalidTag:
            raise StoredDataBroken(
                f"a value of {context.place} was changed, or belongs to another row (key {wrapped_by(sealed)})"
            ) from None

    def rewrap(self, sealed: bytes, context: Context) -> bytes:
        """The same value under the active key. The text is not opened."""
        return self._head(self._data_key(sealed, context)) + sealed[HEADER + _WRAPPED :]

    def mac(self, message: bytes, key: str | None = None) -> bytes:
        """HMAC-SHA-256 under a key of this purpose that is derived from the active key, or from the one named."""
        derived = hmac.new(self._key(key or self.active, "a signature"), b"codeserve mac", hashlib.sha256).digest()
        return hmac.new(derived, message, hashlib.sha256).digest()

    def _head(self, data_key: bytes) -> bytes:
        return header(self.active) + aes_key_wrap(self._keys[self.active], data_key)

    def _data_key(self, sealed: bytes, context: Context) -> bytes:
        name = wrapped_by(sealed)
        if not name:
            raise StoredDataBroken(f"a value of {context.place} is not encrypted as it should be")
        try:
            return aes_key_unwrap(self._key(name, f"a value of {context.place}"), sealed[HEADER : HEADER + _WRAPPED])
        except InvalidUnwrap:
            raise StoredDataBroken(f"a value of {context.place} was changed (key {name})") from None

    def _key(self, name: str, what: str) -> bytes:
        try:
            return self._keys[name]
        except KeyError:
            raise SetupError(
                f"the key ring lacks the key {name}, which {what} needs", hint="put the old key back into the ring"
            ) from None


def header(name: str) -> bytes:
    """How each value begins that the key of this id wraps."""
    return MAGIC + bytes.fromhex(name)


def wrapped_by(sealed: bytes) -> str:
    """The id of the key; empty for what is no sealed value."""
    if len(sealed) < _SHORTEST or not sealed.startswith(MAGIC):
        return ""
    return sealed[len(MAGIC) : HEADER].hex()
