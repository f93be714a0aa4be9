"""The platforms of the settings, each with its tenant and its open adapter."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from codeserve.adapters.base import Adapter
from codeserve.adapters.registry import open_adapter
from codeserve.config import PlatformSettings
from codeserve.errors import NotFound


@dataclass(frozen=True, slots=True)
class Platform:
    """`schedule`: a cron expression for pulls, in UTC; none where its webhooks are enough."""

    name: str
    tenant: str
    adapter: Adapter
    schedule: str | None = None


class Platforms:
    def __init__(self, platforms: Mapping[str, Platform]) -> None:
        self._platforms = dict(platforms)

    def __getitem__(self, name: str) -> Platform:
        """Raises NotFound."""
        found = self._platforms.get(name)
        if found is None:
            raise NotFound("No platform of this name is configured")
        return found

    @property
    def scheduled(self) -> list[Platform]:
        return [one for one in self._platforms.values() if one.schedule]

    async def close(self) -> None:
        for platform in self._platforms.values():
            await platform.adapter.close()


def open_platforms(
    settings: Mapping[str, PlatformSettings], environ: Mapping[str, str], state: Path | None = None
) -> Platforms:
    """`state`: as of `open_adapter`. Raises SetupError for what cannot be opened."""
    return Platforms(
        {
            name: Platform(name, one.tenant, open_adapter(name, one, environ, state), one.schedule)
            for name, one in settings.items()
        }
    )
