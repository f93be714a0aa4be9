"""API keys: made once, shown once, stored as hashes.

A key is 256 random bits, so there is nothing to guess: one SHA-256 protects it as well as a slow password hash would,
and costs microseconds a request. A line is `name:sha256hex` or `name:sha256hex:scope+scope`; without scopes a key may
do everything. Lines stand in a file, or separated by commas or newlines in CODESERVE_API_KEYS.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import re
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from codeserve.artifacts import write_whole
from codeserve.errors import Forbidden, SetupError, Unauthorized

ENVIRONMENT = "CODESERVE_API_KEYS"
PREFIX = "cs_"
EXTRACT, READ = "extract", "read"
SCOPES = frozenset({EXTRACT, READ})
ANYONE = "loopback"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_LINE = re.compile(rf"({_NAME.pattern}):([0-9a-f]{{64}})(?::([a-z+]+))?")


@dataclass(frozen=True, slots=True)
class ApiKey:
    """`digest` is the SHA-256 of the secret in hex; no `scopes` means all of them."""

    name: str
    digest: str
    scopes: tuple[str, ...] = ()

    @property
    def line(self) -> str:
        return ":".join((self.name, self.digest, *(("+".join(self.scopes),) if self.scopes else ())))

    def may(self, scope: str) -> bool:
        return not self.scopes or scope in self.scopes


def create_key(name: str, scopes: Sequence[str] = ()) -> tuple[str, str]:
    """A new secret and the line to store. Raises SetupError for an unusable name or scope."""
    if not _NAME.fullmatch(name):
        raise SetupError("a key's name has 1 to 64 letters, digits, dots, dashes or underscores")
    if not SCOPES.issuperset(scopes):
        raise SetupError(f"the scopes are {', '.join(sorted(SCOPES))}")
    secret = PREFIX + secrets.token_urlsafe(32)
    return secret, ApiKey(name, _digest(secret), tuple(scopes)).line


def parse_keys(text: str) -> tuple[ApiKey, ...]:
    """Raises SetupError that names the entry by its number, never by its content."""
    keys: dict[str, ApiKey] = {}
    for number, entry in enumerate(re.split(r"[\n,]", text), 1):
        entry = entry.strip()
        if not entry or entry.startswith("#"):
            continue
        match = _LINE.fullmatch(entry)
        scopes = tuple((match[3] or "").split("+")) if match and match[3] else ()
        if not match or not SCOPES.issuperset(scopes):
            raise SetupError(
                f"API key entry {number} is not name:sha256hex[:scopes]", hint="codeserve keys create NAME"
            )
        if match[1] in keys:
            raise SetupError(f"API key entry {number} repeats a name", hint="codeserve keys list")
        keys[match[1]] = ApiKey(match[1], match[2], scopes)
    return tuple(keys.values())


def list_keys(path: Path) -> tuple[ApiKey, ...]:
    """The keys of a file; none when there is no file."""
    return parse_keys(path.read_text(encoding="utf-8")) if path.exists() else ()


def add_key(path: Path, name: str, scopes: Sequence[str] = ()) -> str:
    """Make a key, store its line, and return the secret, which cannot be had again."""
    keys = list_keys(path)
    if any(key.name == name for key in keys):
        raise SetupError("there is a key of this name already", hint=f"codeserve keys revoke {name}")
    secret, line = create_key(name, scopes)
    _write(path, [*(key.line for key in keys), line])
    return secret


def revoke(path: Path, name: str) -> bool:
    """Whether there was such a key; a running service refuses it from the next request on."""
    keys = list_keys(path)
    kept = [key.line for key in keys if key.name != name]
    if len(kept) == len(keys):
        return False
    _write(path, kept)
    return True


def _write(path: Path, lines: Iterable[str]) -> None:
    write_whole(path, (line.encode() for line in lines))


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def is_loopback(host: str) -> bool:
    """Whether an address (or the name localhost) is of this machine only."""
    if host == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback


class Keys:
    """Who may call. With neither a file nor the environment variable (`open`) every caller on loopback may.

    A changed file is read again at the next request. A configured file without a key lets nobody in.
    """

    def __init__(self, path: Path | None, environment: Mapping[str, str]) -> None:
        fixed = environment.get(ENVIRONMENT, "").strip()
        self._path = path
        self._fixed = parse_keys(fixed)
        self.open = path is None and not fixed
        self._stamp: tuple[int, int, int] | None = None
        self._read: tuple[ApiKey, ...] = ()
        if path is not None and not path.exists():
            raise SetupError("the file of API keys does not exist", hint="codeserve keys create NAME")
        self._current()

    def require_loopback(self, host: str) -> None:
        """Raises SetupError when anyone could call and `host` can be reached from outside."""
        if self.open and not is_loopback(host):
            raise SetupError(
                "without an API key the service may listen on a loopback address only",
                hint="codeserve keys create NAME, then name the file as keys_file; or listen on 127.0.0.1",
            )

    def admit(self, authorization: str | None, client: str | None, scope: str) -> str:
        """The caller's name. Raises Unauthorized or Forbidden."""
        if self.open:
            if client is None or not is_loopback(client):
                raise Unauthorized("Without a configured key only callers on loopback are taken")
            return ANYONE
        scheme, _, secret = (authorization or "").partition(" ")
        if scheme.lower() != "bearer" or not secret.strip():
            raise Unauthorized("The header Authorization: Bearer KEY is missing")
        key = self._find(secret.strip())
        if key is None:
            raise Unauthorized("This API key is not known")
        if not key.may(scope):
            raise Forbidden(f"This key lacks the scope {scope}")
        return key.name

    def _find(self, secret: str) -> ApiKey | None:
        """Compares with every key, in constant time each, so that time tells nothing about which one is near."""
        digest, found = _digest(secret), None
        for key in self._current():
            if hmac.compare_digest(key.digest, digest):
                found = key
        return found

    def _current(self) -> tuple[ApiKey, ...]:
        if self._path is None:
            return self._fixed
        try:
            stat = self._path.stat()
        except FileNotFoundError:
            return self._fixed
        stamp = (stat.st_mtime_ns, stat.st_size, stat.st_ino)
        if stamp != self._stamp:
            self._read = parse_keys(self._path.read_text(encoding="utf-8"))
            self._stamp = stamp
        return (*self._fixed, *self._read)
