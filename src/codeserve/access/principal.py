"""Who a request comes from. Every stored row is found through the principal's tenant, never through the request's."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import Literal

from codeserve.errors import Forbidden

Kind = Literal["key", "token", "open"]
DEFAULT_TENANT = "default"
TENANT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True, slots=True)
class Principal:
    """`subject`: the API key's name or the token's `sub`, for the audit trail; `tenant`: the practice; `permissions`:
    what all `roles` give, narrowed by the key's scopes; `kind`: an API key, a token, or anyone on loopback where
    nothing is configured. `id` is for logs, rate limits and stored answers: it differs between tenants, and of a token
    tells no person."""

    subject: str
    tenant: str
    roles: frozenset[str]
    permissions: frozenset[str]
    kind: Kind
    id: str

    def may(self, permission: str) -> bool:
        return permission in self.permissions

    def require(self, permission: str) -> None:
        """Raises Forbidden."""
        if permission not in self.permissions:
            raise Forbidden(f"This needs the permission {permission}")


def token_id(issuer: str, tenant: str, subject: str) -> str:
    """A short pseudonym. Names of API keys hold no colon, so no key can be taken for it."""
    whole = "\0".join((issuer, tenant, subject))
    return "user:" + hashlib.sha256(whole.encode()).hexdigest()[:16]
