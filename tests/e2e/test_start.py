"""A stage that cannot start: /readyz says which and why while it is tried, and the command ends with the reason."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest
import yaml

from codeserve.weights import write_sums
from tests.conftest import ROOT, START_S, free_port
from tests.tiny import make_tiny_tagger

pytestmark = pytest.mark.e2e


def broken_config(folder: Path) -> Path:
    """A tagger whose weights changed on the disk."""
    model = make_tiny_tagger(folder / "tagger")
    write_sums(model)
    weights = model / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\xff")
    config = yaml.safe_load((ROOT / "serve_config.yaml").read_text())
    config["applications"][0]["args"]["model_set"]["tagger"]["model"] = str(model)
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(config))
    return path


def test_a_stage_that_cannot_start_is_named_with_its_reason(tmp_path: Path) -> None:
    port, told = free_port(), set()
    command = [str(Path(sys.executable).parent / "codeserve"), "serve", "--config", str(broken_config(tmp_path))]
    log = tmp_path / "log"
    with log.open("wb") as out:
        process = subprocess.Popen([*command, "--port", str(port)], cwd=ROOT, stdout=out, stderr=subprocess.STDOUT)
    deadline = time.monotonic() + START_S
    try:
        while process.poll() is None and time.monotonic() < deadline:
            try:
                answer = httpx.get(f"http://127.0.0.1:{port}/readyz", timeout=30, trust_env=False)
            except httpx.TransportError:
                time.sleep(0.2)
                continue
            assert answer.status_code == 503
            told |= {part for part in answer.json()["detail"].split("; ") if part.startswith("EntityTagger")}
            time.sleep(0.2)
        code = process.wait(timeout=60)
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait(timeout=60)
    assert code == 1
    reason = "the weights model.safetensors are not those that SHA256SUMS tells of"
    assert f"EntityTagger cannot start ({reason})" in " ".join(log.read_text().split())
    assert any(reason in why for why in told), told
