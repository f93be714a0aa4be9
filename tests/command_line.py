"""The command line over a database, as an operator runs it."""

from __future__ import annotations

from pathlib import Path

import yaml
from typer.testing import CliRunner, Result

from codeserve.cli import app
from tests.conftest import ROOT


def stored_config(folder: Path, url: str, keys_file: Path) -> Path:
    """serve_config.yaml with a database."""
    document = yaml.safe_load((ROOT / "serve_config.yaml").read_text())
    document["applications"][0]["args"]["storage"] = {"url": url, "keys_file": str(keys_file)}
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(document))
    return path


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(one) for one in arguments], env={"COLUMNS": "200"})
