"""The adapter to start from passes the contract as it stands."""

from __future__ import annotations

from typing import Any

from codeserve.adapters.base import Adapter
from codeserve.adapters.http import Sleep
from codeserve.adapters.opening import Opening
from codeserve.adapters.retries import Patience
from codeserve.adapters.simulators.base import Simulator
from codeserve.adapters.simulators.tokens import credentials
from tests.adapters.contract import AdapterContract
from tests.adapters.sample import opened
from tests.adapters.sample_simulator import SampleSimulator


class TestSample(AdapterContract):
    reading, writing = "/notes", "/charges"

    def make_simulator(self, **rest: Any) -> Simulator:
        return SampleSimulator(**rest)

    def make_adapter(self, simulator: Simulator, patience: Patience, sleep: Sleep) -> Adapter:
        secret = simulator.webhook_secret
        return opened(Opening("sample", simulator.base_url, credentials(), secret, patience=patience, sleep=sleep))
