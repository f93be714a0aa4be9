"""The simulated platforms as processes of their own are used, and every adapter opened from settings."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import Any

import httpx
import pytest

from codeserve.adapters.base import Adapter
from codeserve.adapters.registry import open_adapter
from codeserve.adapters.simulators.__main__ import SIMULATORS, simulator_of
from codeserve.config import PlatformSettings

CREDENTIALS = '{"token_url": "/oauth/token", "client_id": "c", "client_secret": "s"%s}'
MORE = {
    "tebra": ', "customer_key": "k", "user": "u", "password": "p"',
    "advancedmd": ', "user": "u", "password": "p", "office_key": "o", "app_name": "a"',
}
OPTIONS: dict[str, dict[str, Any]] = {
    "tebra": {"fhir_url": "https://fhir.example/r4", "practice_id": "4"},
    "advancedmd": {"fhir_url": "https://fhir.example/r4"},
}


@pytest.mark.parametrize("platform", SIMULATORS)
def test_every_adapter_opens_from_settings_and_has_a_simulator(platform: str) -> None:
    settings = PlatformSettings.model_validate(
        {
            "adapter": platform,
            "base_url": "https://ehr.example/api",
            "tenant": "north",
            "credentials_env": "EHR",
            "options": OPTIONS.get(platform, {}),
        }
    )
    adapter = open_adapter("ehr", settings, {"EHR": CREDENTIALS % MORE.get(platform, "")})
    assert isinstance(adapter, Adapter)
    assert adapter.name == platform == simulator_of(platform).name


def test_a_simulator_is_started_and_played_with() -> None:
    command = [sys.executable, "-m", "codeserve.adapters.simulators", "drchrono"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONUNBUFFERED": "1"})
    try:
        assert process.stdout is not None
        control = process.stdout.readline().split()[-1]
        with httpx.Client(base_url=control, trust_env=False, timeout=60) as http:
            signed = http.post("/notes", json={"text": "Pain."}).json()
            assert signed["webhook_status"] is None
            amended = http.post(f"/notes/{signed['document_id']}/amend", json={"text": "No pain."}).json()
            assert amended["document_id"] == signed["document_id"]
            assert http.get("/drafts", params={"reference": "cs-1"}).json() == []
            assert http.get("/tasks").json() == []
            assert http.post("/faults", json={"kind": "status", "status": 503}).status_code == 204
        with httpx.Client(base_url=control.removesuffix("/_simulator"), trust_env=False, timeout=60) as http:
            assert http.get("/api/appointments/1").status_code == 503
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
