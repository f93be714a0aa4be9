from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from codeserve.api import logs
from codeserve.api.auth import ENVIRONMENT


@pytest.fixture(autouse=True)
def _as_found(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No keys from outside, and the logging that an app configures does not outlive its test."""
    monkeypatch.delenv(ENVIRONMENT, raising=False)
    logger = logging.getLogger(logs.ROOT)
    handlers, propagate, level = logger.handlers[:], logger.propagate, logger.level
    yield
    logger.handlers[:], logger.propagate = handlers, propagate
    logger.setLevel(level)
