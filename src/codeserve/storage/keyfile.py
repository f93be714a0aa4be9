"""The file of the key ring: JSON, readable by its owner only, written by `codeserve data-keys`.

Keys come and go in three steps: `add` puts a new one in front, `codeserve db rotate` wraps every data key with it, and
`drop` takes the old one away.
"""

from __future__ import annotations

import base64
import binascii
import stat
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from codeserve.artifacts import write_whole
from codeserve.errors import SetupError
from codeserve.storage.crypto import KEY_BYTES, KeyRing, key_id

HINT = "codeserve data-keys create FILE makes one"
# The group may read: that is how Kubernetes gives a mounted secret to a process that is not root.
_TOO_OPEN = stat.S_IWGRP | stat.S_IXGRP | stat.S_IRWXO


def load_ring(path: Path) -> KeyRing:
    """Raises SetupError, which never holds a key."""
    document = _read(path)
    try:
        keys = {one["id"]: base64.b64decode(one["key"], validate=True) for one in document["keys"]}
        return KeyRing(document["active"], keys)
    except (KeyError, TypeError, binascii.Error):
        raise SetupError(f"{path.name} is not a key ring", hint=HINT) from None


def create(path: Path) -> str:
    """Write a ring with one new key, for the owner only; the key's id. A file that is there is left alone."""
    if path.exists():
        raise SetupError(f"{path.name} is there already", hint="codeserve data-keys add FILE puts a new key into it")
    return _put(path, [])


def add(path: Path) -> str:
    """A new key, active from the next start on; the older ones go on reading. Its id."""
    load_ring(path)
    return _put(path, _read(path)["keys"])


def drop(path: Path, name: str) -> None:
    """Take a key away that wraps nothing any more. Raises SetupError for the active one and an unknown one."""
    ring, document = load_ring(path), _read(path)
    if name not in ring.ids:
        raise SetupError(f"the key ring has no key {name}", hint="codeserve data-keys list FILE")
    if name == ring.active:
        raise SetupError(
            f"{name} is the active key", hint="codeserve data-keys add FILE, codeserve db rotate, then drop"
        )
    document["keys"] = [one for one in document["keys"] if one["id"] != name]
    _write(path, document)


def listed(path: Path) -> list[tuple[str, str, bool]]:
    """Of each key its id, when it was made, and whether it is the active one."""
    ring = load_ring(path)
    return [(one["id"], one.get("made", ""), one["id"] == ring.active) for one in _read(path)["keys"]]


def _put(path: Path, keys: list[dict[str, str]]) -> str:
    key = AESGCM.generate_key(KEY_BYTES * 8)
    made = datetime.now(UTC).isoformat(timespec="seconds")
    new = {"id": key_id(key), "made": made, "key": base64.b64encode(key).decode()}
    _write(path, {"active": new["id"], "keys": [*keys, new]})
    return new["id"]


def _write(path: Path, document: dict[str, Any]) -> None:
    write_whole(path, [orjson.dumps(document, option=orjson.OPT_INDENT_2)], mode=0o600)


def _read(path: Path) -> dict[str, Any]:
    try:
        mode = path.stat().st_mode
        if mode & _TOO_OPEN:
            raise SetupError(f"{path.name} can be read by others", hint=f"chmod 600 {path.name}")
        document = orjson.loads(path.read_bytes())
    except FileNotFoundError:
        raise SetupError(f"there is no key ring {path.name}", hint=HINT) from None
    except OSError as error:
        raise SetupError(f"the key ring {path.name} cannot be read ({type(error).__name__})") from None
    except orjson.JSONDecodeError:
        raise SetupError(f"{path.name} is not a key ring", hint=HINT) from None
    if not isinstance(document, dict):
        raise SetupError(f"{path.name} is not a key ring", hint=HINT)
    return document
