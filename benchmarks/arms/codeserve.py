"""The service itself, started as a user starts it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from benchmarks import servers, settings


def start(
    config: dict[str, Any], folder: Path, name: str = "codeserve", environment: dict[str, str] | None = None
) -> servers.Server:
    """`codeserve serve` with this configuration on a free port."""
    port = servers.free_port()
    file = settings.write(config, folder / f"{name}.yaml")
    program = Path(sys.executable).parent / "codeserve"
    command = [str(program), "serve", "--config", str(file), "--port", str(port)]
    return servers.start(name, [command], f"http://127.0.0.1:{port}", folder / f"{name}.log", environment)
