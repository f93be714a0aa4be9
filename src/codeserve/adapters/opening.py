"""What an adapter is opened with."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from codeserve.adapters.http import Sleep, Wire
from codeserve.adapters.oauth import TokenStore
from codeserve.adapters.retries import Patience
from codeserve.errors import SetupError

Options = TypeVar("Options")


def zone_of(name: str) -> ZoneInfo | None:
    """Raises SetupError for a time zone that there is not."""
    try:
        return ZoneInfo(name) if name else None
    except (ValueError, ZoneInfoNotFoundError):
        raise SetupError(f"there is no time zone {name}", hint='such as "America/Denver"') from None


@dataclass(frozen=True, slots=True)
class Opening:
    """`platform` is the name in the settings; `store` keeps a refresh token that the platform exchanges at each use."""

    platform: str
    base_url: str
    credentials: Mapping[str, str] = field(repr=False)
    webhook_secret: str = field(default="", repr=False)
    options: Mapping[str, str | int | bool] = field(default_factory=dict)
    store: TokenStore | None = None
    patience: Patience = field(default_factory=Patience)
    sleep: Sleep = asyncio.sleep

    def wire(self) -> Wire:
        return Wire(self.platform, self.base_url, patience=self.patience, sleep=self.sleep)

    def chosen(self, kind: type[Options]) -> Options:
        """The adapter's own options, a dataclass of which every field has a default. Raises SetupError for an unknown
        one and for one of another type."""
        known: dict[str, Any] = {f.name: f.default for f in fields(kind)}  # type: ignore[arg-type]
        for name, value in self.options.items():
            if name not in known or type(value) is not type(known[name]):
                raise SetupError(
                    f"platform {self.platform}: wrong option {name}", hint=f"options are {', '.join(known)}"
                )
        return kind(**self.options)

    def required(self, *names: str) -> list[str]:
        """Credentials by name. Raises SetupError that names what is missing or unknown, never a value."""
        wrong = sorted(set(names) ^ {name for name, value in self.credentials.items() if value})
        if wrong:
            raise SetupError(f"platform {self.platform}: credentials: missing or unknown: {', '.join(wrong)}")
        return [self.credentials[name] for name in names]
