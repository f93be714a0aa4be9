"""Bearer tokens of an identity provider (JSON Web Tokens, RFC 7519; checked after RFC 8725). Nothing that a token holds
is repeated in an error or a log."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jwt

from codeserve.access.keyset import KeySet
from codeserve.access.principal import TENANT, Principal, token_id
from codeserve.access.settings import OidcSettings
from codeserve.access.table import Table
from codeserve.errors import InvalidToken

MAX_CHARS = 16 * 1024
MAX_SUBJECT = 255  # OpenID Connect Core 1.0, section 2
REASONS: tuple[tuple[type[jwt.PyJWTError], str], ...] = (
    (jwt.ExpiredSignatureError, "The token has expired"),
    (jwt.ImmatureSignatureError, "The token is not valid yet"),
    (jwt.InvalidAudienceError, "The token is for another audience"),
    (jwt.InvalidIssuerError, "The token is of another issuer"),
    (jwt.MissingRequiredClaimError, "The token lacks a claim: exp, iss, aud and sub are needed"),
    (jwt.InvalidSignatureError, "The token's signature does not hold"),
)
OTHER = "The token is not acceptable"


class Tokens:
    """Tells who a token's bearer is."""

    def __init__(self, settings: OidcSettings, table: Table, keys: KeySet | None = None) -> None:
        self._settings, self._table = settings, table
        self._keys = keys or KeySet(settings)

    async def principal(self, token: str) -> Principal:
        """Raises InvalidToken, and ProviderAway where the provider's keys are needed and cannot be had."""
        kid, algorithm = self._header(token)
        key = await self._keys.find(kid)
        if key is None:
            raise InvalidToken("The token is signed with a key that the identity provider does not have")
        if algorithm not in key.algorithms:
            raise InvalidToken(OTHER)
        return self._of_claims(self._claims(token, key.key, algorithm))

    def _header(self, token: str) -> tuple[str | None, str]:
        """The id of the key and the algorithm, one of those allowed: another one is refused before keys are fetched."""
        if len(token) > MAX_CHARS:
            raise InvalidToken("The token is too long")
        try:
            header = jwt.get_unverified_header(token)
        except (jwt.PyJWTError, ValueError, TypeError, RecursionError):
            raise InvalidToken(OTHER) from None
        algorithm = header.get("alg")
        if algorithm not in self._settings.algorithms:
            raise InvalidToken("The token is signed with an algorithm that is not allowed")
        return header.get("kid"), algorithm

    def _claims(self, token: str, key: Any, algorithm: str) -> Mapping[str, Any]:
        own = self._settings
        try:
            return jwt.decode(
                token,
                key,
                algorithms=[algorithm],
                audience=own.audience,
                issuer=own.issuer,
                leeway=own.leeway_s,
                options={"require": ["exp", "iss", "aud", "sub"]},
            )
        except jwt.PyJWTError as error:
            told = next((reason for kind, reason in REASONS if isinstance(error, kind)), OTHER)
            raise InvalidToken(told) from None
        except (ValueError, TypeError, OverflowError, RecursionError):
            raise InvalidToken(OTHER) from None

    def _of_claims(self, claims: Mapping[str, Any]) -> Principal:
        subject, tenant = claims["sub"], _claim(claims, self._settings.tenant_claim)
        if not isinstance(subject, str) or not 0 < len(subject) <= MAX_SUBJECT:
            raise InvalidToken(OTHER)
        if not isinstance(tenant, str) or not TENANT.fullmatch(tenant):
            raise InvalidToken("The token does not name one practice")
        roles = self._roles(_claim(claims, self._settings.roles_claim))
        return Principal(
            subject, tenant, roles, self._table.granted(roles), "token", token_id(claims["iss"], tenant, subject)
        )

    def _roles(self, told: object) -> frozenset[str]:
        """Of a list, or of words with spaces between; what is not a role of ours counts for nothing."""
        names = told.split() if isinstance(told, str) else told if isinstance(told, list) else []
        ours = self._settings.roles or {role: role for role in self._table.roles}
        return frozenset(ours[name] for name in names if isinstance(name, str) and name in ours)


def _claim(claims: Mapping[str, Any], name: str) -> object:
    """The claim of this very name, else along its dots, as in realm_access.roles."""
    if name in claims:
        return claims[name]
    found: object = claims
    for part in name.split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    return found
