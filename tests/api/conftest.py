from __future__ import annotations

import pytest

from codeserve.api.auth import ENVIRONMENT


@pytest.fixture(autouse=True)
def _no_keys_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(ENVIRONMENT, raising=False)
