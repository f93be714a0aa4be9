"""AdvancedMD: the contract, and what is its own."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from codeserve.adapters.advancedmd import opened
from codeserve.adapters.base import Adapter
from codeserve.adapters.errors import CredentialsRefused, Malformed, Refused
from codeserve.adapters.http import Sleep
from codeserve.adapters.opening import Opening
from codeserve.adapters.retries import Patience
from codeserve.adapters.simulators.advancedmd import LOGIN, AdvancedMdSimulator
from codeserve.adapters.simulators.base import Simulator
from codeserve.adapters.simulators.tokens import credentials
from codeserve.errors import SetupError
from tests.adapters.contract import AdapterContract


def opening(simulator: AdvancedMdSimulator, **rest: Any) -> Opening:
    login = {
        "user": LOGIN["username"],
        "password": LOGIN["psw"],
        "office_key": LOGIN["officecode"],
        "app_name": LOGIN["appname"],
    }
    options = {"fhir_url": simulator.base_url}
    return Opening("advancedmd", simulator.login_url, {**credentials(), **login}, options=options, **rest)


class TestAdvancedMd(AdapterContract):
    reading, writing = "/fhir/DocumentReference", "#savecharges"

    def make_simulator(self, **rest: Any) -> Simulator:
        return AdvancedMdSimulator(**rest)

    def make_adapter(self, simulator: Simulator, patience: Patience, sleep: Sleep) -> Adapter:
        assert isinstance(simulator, AdvancedMdSimulator)
        return opened(opening(simulator, patience=patience, sleep=sleep))

    def test_charges_stand_on_the_visit(self, simulator: Simulator) -> None:
        assert isinstance(simulator, AdvancedMdSimulator)
        draft = self.draft(simulator)
        ref = self.use(simulator, lambda a: a.post_draft(draft))
        assert ref.platform_id == simulator.charges[0].get("id") == f"vst{draft.encounter_id}"

    def test_a_session_that_is_over_is_opened_again(self, simulator: Simulator) -> None:
        assert isinstance(simulator, AdvancedMdSimulator)
        draft = self.draft(simulator)

        async def twice(adapter: Adapter) -> None:
            await adapter.post_draft(draft)
            simulator.sessions.clear()
            await adapter.post_draft(replace(draft, reference="cs-other"))

        self.use(simulator, twice)
        assert simulator.logins == 2
        assert len(simulator.charges) == 2

    def test_a_session_that_never_holds_is_said(self, simulator: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
        assert isinstance(simulator, AdvancedMdSimulator)
        draft = self.draft(simulator)
        monkeypatch.setattr(simulator, "sessions", type("None", (set,), {"add": lambda self, item: None})())
        with pytest.raises(CredentialsRefused):
            self.use(simulator, lambda a: a.post_draft(draft))
        assert simulator.logins == 2

    def test_a_wrong_login_is_said(self, simulator: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
        assert isinstance(simulator, AdvancedMdSimulator)
        wrong = replace(opening(simulator), credentials={**opening(simulator).credentials, "password": "guessed"})
        monkeypatch.setattr(self, "make_adapter", lambda *_: opened(wrong))
        with pytest.raises(CredentialsRefused) as raised:
            self.use(simulator, lambda a: a.authenticate())
        assert "guessed" not in repr(raised.value)

    @pytest.mark.parametrize(
        "server", ["https://advancedmd.com.evil.example/x", "http://10.0.0.1/x", "https://evilmd.com"]
    )
    def test_a_web_server_of_somebody_else_gets_no_password(self, simulator: Simulator, server: str) -> None:
        assert isinstance(simulator, AdvancedMdSimulator)
        simulator.webserver = server
        with pytest.raises(Malformed):
            self.use(simulator, lambda a: a.authenticate())

    def test_a_code_that_the_practice_lacks_is_refused(self, simulator: Simulator) -> None:
        assert isinstance(simulator, AdvancedMdSimulator)
        draft = self.draft(simulator)
        simulator.lacks.add("W19.XXXA")
        with pytest.raises(Refused):
            self.use(simulator, lambda a: a.post_draft(draft))
        assert not simulator.charges

    def test_without_a_visit_there_is_no_charge(self, simulator: Simulator) -> None:
        draft = replace(self.draft(simulator), encounter_id=None)
        with pytest.raises(Refused):
            self.use(simulator, lambda a: a.post_draft(draft))

    def test_what_it_needs_is_named(self, simulator: Simulator) -> None:
        assert isinstance(simulator, AdvancedMdSimulator)
        with pytest.raises(SetupError, match="fhir_url"):
            opened(replace(opening(simulator), options={}))
        with pytest.raises(SetupError, match="office_key"):
            opened(replace(opening(simulator), credentials=credentials(user="u", password="p", app_name="a")))
