"""Opens the adapter that the settings of a platform name. Each module is imported only where it is used."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path

from codeserve.adapters.base import Adapter
from codeserve.adapters.oauth import FileStore, credentials
from codeserve.adapters.opening import Opening
from codeserve.config import PlatformSettings
from codeserve.errors import SetupError


def open_adapter(
    platform: str, settings: PlatformSettings, environ: Mapping[str, str], state: Path | None = None
) -> Adapter:
    """`state`: a folder for refresh tokens that a platform exchanges at each use; without it a restart needs a new
    consent there. Raises SetupError that names the variable or the key, never a value."""
    opening = Opening(
        platform=platform,
        base_url=settings.base_url,
        credentials=credentials(platform, _variable(platform, settings.credentials_env, environ)),
        webhook_secret=_variable(platform, settings.webhook_secret_env, environ) if settings.webhook_secret_env else "",
        options=settings.options,
        store=FileStore(state / f"{platform}.token") if state else None,
    )
    adapter: Adapter = import_module(f"codeserve.adapters.{settings.adapter}").opened(opening)
    return adapter


def _variable(platform: str, name: str, environ: Mapping[str, str]) -> str:
    if not environ.get(name):
        raise SetupError(f"platform {platform}: the environment variable {name} is not set")
    return environ[name]
