"""CareCloud: the contract with an API that takes Claims, and one that only reads."""

from __future__ import annotations

from typing import Any

import pytest

from codeserve.adapters.base import Adapter
from codeserve.adapters.carecloud import opened
from codeserve.adapters.errors import Refused
from codeserve.adapters.http import Sleep
from codeserve.adapters.opening import Opening
from codeserve.adapters.retries import Patience
from codeserve.adapters.simulators.base import Simulator
from codeserve.adapters.simulators.carecloud import CareCloudSimulator
from codeserve.adapters.simulators.tokens import credentials
from tests.adapters.contract import NOTE, AdapterContract


class TestCareCloud(AdapterContract):
    reading, writing = "/fhir/DocumentReference", "/fhir/Claim"

    def make_simulator(self, **rest: Any) -> Simulator:
        return CareCloudSimulator(**rest)

    def make_adapter(self, simulator: Simulator, patience: Patience, sleep: Sleep) -> Adapter:
        asked = {"options": {"page": 10}, "patience": patience, "sleep": sleep}
        return opened(Opening("carecloud", simulator.base_url, credentials(), **asked))  # type: ignore[arg-type]

    def test_an_api_that_only_reads_gets_no_draft(self, simulator: Simulator) -> None:
        assert isinstance(simulator, CareCloudSimulator)
        simulator.creates = set()
        draft = self.draft(simulator)
        assert self.use(simulator, lambda a: a.find_draft(draft)) is None
        with pytest.raises(Refused, match="takes no Claim"):
            self.use(simulator, lambda a: a.post_draft(draft))
        assert not simulator.faults.asked("POST", "/fhir/")

    def test_it_is_asked_once_what_it_can(self, simulator: Simulator) -> None:
        draft = self.draft(simulator)

        async def twice(adapter: Adapter) -> None:
            await adapter.find_draft(draft)
            await adapter.post_draft(draft)
            await adapter.find_draft(draft)

        self.use(simulator, twice)
        assert simulator.faults.asked("GET", "/fhir/metadata") == 1

    def test_notes_are_read_from_it(self, simulator: Simulator) -> None:
        assert self.fetch(simulator, simulator.sign(NOTE)).encounter.payer == "Medicare"
