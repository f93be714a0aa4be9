from __future__ import annotations

import pytest

from codeserve.loopback import is_loopback


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        *(("127.0.0.1", True), ("127.8.0.1", True), ("::1", True), ("localhost", True), ("::ffff:127.0.0.1", True)),
        *(("0.0.0.0", False), ("::", False), ("::ffff:10.0.0.1", False), ("10.0.0.1", False), ("evil.test", False)),
    ],
)
def test_loopback(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected
