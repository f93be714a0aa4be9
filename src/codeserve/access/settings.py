"""Settings of who may call beside the holders of API keys."""

from __future__ import annotations

from typing import Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, model_validator

from codeserve.access.table import load_table
from codeserve.loopback import is_loopback

# Signatures with a public key only: none, and a secret that both sides know, are no choice (RFC 8725, section 3.1).
TokenAlgorithm = Literal["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]


class Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class OidcSettings(Settings):
    """An identity provider whose bearer tokens are taken. `jwks_url`: where its signing keys are. `tenant_claim` and
    `roles_claim`: where a token tells the practice and the roles (dots lead inside objects); `roles`: the provider's
    names for roles of ours, none: the same names. Seconds: `leeway_s` between clocks; keys are fetched anew after
    `keep_s`, for a key that is missing at most every `refresh_s`; they hold until `stale_s` while the provider is away.
    """

    issuer: str = Field(min_length=1)
    audience: str = Field(min_length=1)
    jwks_url: str
    algorithms: tuple[TokenAlgorithm, ...] = Field(("RS256", "ES256"), min_length=1)
    tenant_claim: str = "tenant"
    roles_claim: str = "roles"
    roles: dict[str, str] = {}
    leeway_s: float = Field(30.0, ge=0, le=300)
    keep_s: float = Field(600.0, gt=0)
    refresh_s: float = Field(30.0, gt=0)
    stale_s: float = Field(3600.0, gt=0)
    timeout_s: float = Field(5.0, gt=0, le=30)

    @model_validator(mode="after")
    def _can_work(self) -> OidcSettings:
        url = urlsplit(self.jwks_url)
        local = url.scheme == "http" and is_loopback(url.hostname or "")
        if not url.hostname or (url.scheme != "https" and not local):
            raise ValueError("jwks_url must be https; http only on loopback")
        if self.stale_s < self.keep_s:
            raise ValueError("stale_s must be at least keep_s")
        if set(self.roles.values()) - load_table().roles.keys():
            raise ValueError(f"roles lead to some of {', '.join(load_table().roles)}")
        return self


class AccessSettings(Settings):
    """Who may call beside the holders of API keys."""

    oidc: OidcSettings | None = None
