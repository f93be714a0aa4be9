"""API keys: made once, shown once, stored as hashes.

A key is 256 random bits, so there is nothing to guess: one SHA-256 protects it as well as a slow password hash would,
and costs microseconds a request. A line is `name:sha256hex`, then, each only where it is needed, `:scope+scope`,
`:roles=role+role` and `:tenant=practice`. Without roles a key is an adapter's, without a tenant of the practice
"default"; scopes are permissions, and narrow what the roles give. Lines stand in a file, or separated by commas or
newlines in CODESERVE_API_KEYS.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from codeserve.access.principal import DEFAULT_TENANT, TENANT, Principal
from codeserve.access.table import Table, load_table
from codeserve.artifacts import write_whole
from codeserve.errors import SetupError

ENVIRONMENT = "CODESERVE_API_KEYS"
PREFIX = "cs_"
DEFAULT_ROLE = "adapter"
ANYONE = "loopback"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_LINE = re.compile(
    rf"({_NAME.pattern}):([0-9a-f]{{64}})(?::([a-z_+]+))?(?::roles=([a-z_+]+))?(?::tenant=({TENANT.pattern}))?"
)


@dataclass(frozen=True, slots=True)
class ApiKey:
    """`digest` is the SHA-256 of the secret in hex; no `scopes`: all that the roles give; no `roles`: an adapter."""

    name: str
    digest: str
    scopes: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()
    tenant: str = DEFAULT_TENANT

    @property
    def line(self) -> str:
        parts = [self.name, self.digest]
        parts += ["+".join(self.scopes)] if self.scopes else []
        parts += ["roles=" + "+".join(self.roles)] if self.roles else []
        parts += [f"tenant={self.tenant}"] if self.tenant != DEFAULT_TENANT else []
        return ":".join(parts)

    def principal(self, table: Table) -> Principal:
        roles = frozenset(self.roles or (DEFAULT_ROLE,))
        granted = table.granted(roles)
        allowed = granted.intersection(self.scopes) if self.scopes else granted
        own = self.name if self.tenant == DEFAULT_TENANT else f"{self.tenant}/{self.name}"
        return Principal(self.name, self.tenant, roles, allowed, "key", own)


def create_key(
    name: str, scopes: Sequence[str] = (), roles: Sequence[str] = (), tenant: str = DEFAULT_TENANT
) -> tuple[str, str]:
    """A new secret and the line to store. Raises SetupError for an unusable name, scope, role or tenant."""
    table = load_table()
    if not _NAME.fullmatch(name):
        raise SetupError("a key's name has 1 to 64 letters, digits, dots, dashes or underscores")
    if not TENANT.fullmatch(tenant):
        raise SetupError("a tenant's name has 1 to 64 letters, digits, dots, dashes or underscores")
    if not table.roles.keys() >= set(roles):
        raise SetupError(f"the roles are {', '.join(table.roles)}")
    granted = table.granted(roles or (DEFAULT_ROLE,))
    if not granted.issuperset(scopes):
        raise SetupError(f"the scopes of these roles are {', '.join(sorted(granted))}")
    secret = PREFIX + secrets.token_urlsafe(32)
    return secret, ApiKey(name, _digest(secret), tuple(scopes), tuple(roles), tenant).line


def parse_keys(text: str) -> tuple[ApiKey, ...]:
    """Raises SetupError that names the entry by its number, never by its content."""
    keys: dict[str, ApiKey] = {}
    for number, entry in enumerate(re.split(r"[\n,]", text), 1):
        entry = entry.strip()
        if not entry or entry.startswith("#"):
            continue
        key = _parse(entry)
        if key is None:
            raise SetupError(
                f"API key entry {number} is not name:sha256hex[:scopes][:roles=...][:tenant=...] with known names",
                hint="codeserve keys create NAME",
            )
        if key.name in keys:
            raise SetupError(f"API key entry {number} repeats a name", hint="codeserve keys list")
        keys[key.name] = key
    return tuple(keys.values())


def _parse(entry: str) -> ApiKey | None:
    match, table = _LINE.fullmatch(entry), load_table()
    if match is None:
        return None
    scopes, roles = (tuple((match[group] or "").split("+")) if match[group] else () for group in (3, 4))
    if not table.permissions.keys() >= set(scopes) or not table.roles.keys() >= set(roles):
        return None
    return ApiKey(match[1], match[2], scopes, roles, match[5] or DEFAULT_TENANT)


def list_keys(path: Path) -> tuple[ApiKey, ...]:
    """The keys of a file; none when there is no file."""
    return parse_keys(path.read_text(encoding="utf-8")) if path.exists() else ()


def add_key(
    path: Path, name: str, scopes: Sequence[str] = (), roles: Sequence[str] = (), tenant: str = DEFAULT_TENANT
) -> str:
    """Make a key, store its line, and return the secret, which cannot be had again."""
    keys = list_keys(path)
    if any(key.name == name for key in keys):
        raise SetupError("there is a key of this name already", hint=f"codeserve keys revoke {name}")
    secret, line = create_key(name, scopes, roles, tenant)
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


class Keys:
    """The callers that have a key. With neither a file nor the environment variable there is none (`open`).

    A changed file is read again at the next request. A configured file without a key lets nobody in.
    """

    def __init__(self, path: Path | None, environment: Mapping[str, str], table: Table | None = None) -> None:
        fixed = environment.get(ENVIRONMENT, "").strip()
        self._path = path
        self._table = table or load_table()
        self._fixed = self._callers(fixed)
        self.open = path is None and not fixed
        self._stamp: tuple[int, int, int] | None = None
        self._all = self._fixed
        if path is not None and not path.exists():
            raise SetupError("the file of API keys does not exist", hint="codeserve keys create NAME")
        self._current()

    def find(self, secret: str) -> Principal | None:
        """Compares with every key, in constant time each, so that time tells nothing about which one is near."""
        digest, found = _digest(secret), None
        for known, caller in self._current():
            if hmac.compare_digest(known, digest):
                found = caller
        return found

    def _callers(self, text: str) -> tuple[tuple[str, Principal], ...]:
        return tuple((key.digest, key.principal(self._table)) for key in parse_keys(text))

    def _current(self) -> tuple[tuple[str, Principal], ...]:
        if self._path is None:
            return self._fixed
        try:
            stat = self._path.stat()
        except FileNotFoundError:
            return self._fixed
        stamp = (stat.st_mtime_ns, stat.st_size, stat.st_ino)
        if stamp != self._stamp:
            self._all = (*self._fixed, *self._callers(self._path.read_text(encoding="utf-8")))
            self._stamp = stamp
        return self._all
