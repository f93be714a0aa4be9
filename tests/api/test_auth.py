from __future__ import annotations

import hashlib
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codeserve.api import auth
from codeserve.api.auth import ENVIRONMENT, Keys, add_key, create_key, is_loopback, list_keys, parse_keys, revoke
from codeserve.errors import Forbidden, SetupError, Unauthorized

names = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,20}", fullmatch=True)


def bearer(secret: str) -> str:
    return f"Bearer {secret}"


@given(names, st.sets(st.sampled_from(sorted(auth.SCOPES))))
def test_a_key_is_stored_as_its_hash(name: str, scopes: set[str]) -> None:
    secret, line = create_key(name, sorted(scopes))
    assert secret.startswith("cs_")
    assert len(secret) >= 46
    assert secret not in line
    (key,) = parse_keys(line)
    assert (key.name, key.digest) == (name, hashlib.sha256(secret.encode()).hexdigest())
    assert key.line == line
    assert {scope for scope in auth.SCOPES if key.may(scope)} == (scopes or auth.SCOPES)


@pytest.mark.parametrize("name", ["", "a:b", "a b", "-a", "x" * 65, "a\n"])
def test_a_name_that_breaks_the_line_is_refused(name: str) -> None:
    with pytest.raises(SetupError):
        create_key(name)


@pytest.mark.parametrize("text", ["secret", "a:123", f"a:{'0' * 64}:admin", f"a:{'G' * 64}"])
def test_a_wrong_line_is_named_by_number_only(text: str) -> None:
    with pytest.raises(SetupError) as caught:
        parse_keys(f"# comment\n\n{text}")
    assert "entry 3" in caught.value.detail
    assert text not in caught.value.detail


def test_a_file_of_keys(tmp_path: Path) -> None:
    path = tmp_path / "new" / "keys"
    assert list_keys(path) == ()
    first, second = add_key(path, "one"), add_key(path, "two", ["read"])
    assert [key.name for key in list_keys(path)] == ["one", "two"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert first not in path.read_text()
    assert second not in path.read_text()
    with pytest.raises(SetupError):
        add_key(path, "one")
    assert revoke(path, "one") is True
    assert revoke(path, "one") is False
    assert [key.name for key in list_keys(path)] == ["two"]
    assert [file.name for file in path.parent.iterdir()] == ["keys"]


def test_a_failed_write_leaves_the_keys_as_they_were(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "keys"
    add_key(path, "one")

    def full(_: int) -> None:
        raise OSError("disk full")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="disk full"):
        add_key(path, "two")
    assert [key.name for key in list_keys(path)] == ["one"]
    assert len(list(tmp_path.iterdir())) == 1


def test_a_running_service_sees_new_and_revoked_keys(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    first = add_key(path, "one")
    keys = Keys(path, {})
    assert keys.admit(bearer(first), "10.0.0.1", auth.READ) == "one"
    second = add_key(path, "two")
    assert keys.admit(bearer(second), None, auth.READ) == "two"
    revoke(path, "one")
    with pytest.raises(Unauthorized):
        keys.admit(bearer(first), "127.0.0.1", auth.READ)


def test_the_last_key_revoked_lets_nobody_in(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    secret = add_key(path, "one")
    keys = Keys(path, {})
    revoke(path, "one")
    for authorization in (bearer(secret), None):
        with pytest.raises(Unauthorized):
            keys.admit(authorization, "127.0.0.1", auth.READ)
    path.unlink()
    with pytest.raises(Unauthorized):
        keys.admit(None, "127.0.0.1", auth.READ)


def test_keys_of_the_environment_and_of_a_file_count_both(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    in_file = add_key(path, "file")
    (one, first), (two, second) = create_key("one"), create_key("two", [auth.READ])
    keys = Keys(path, {ENVIRONMENT: f"{first},{second}\n"})
    assert [keys.admit(bearer(secret), None, auth.READ) for secret in (one, two, in_file)] == ["one", "two", "file"]
    with pytest.raises(Forbidden):
        keys.admit(bearer(two), None, auth.EXTRACT)


@pytest.mark.parametrize("authorization", [None, "", "Bearer", "Bearer ", "Basic abc", "cs_abc", "Bearer é"])
def test_no_key_or_a_wrong_one(authorization: str | None) -> None:
    keys = Keys(None, {ENVIRONMENT: create_key("one")[1]})
    with pytest.raises(Unauthorized):
        keys.admit(authorization, "127.0.0.1", auth.READ)


def test_every_key_is_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    made = [create_key(name) for name in ("one", "two", "three")]
    keys = Keys(None, {ENVIRONMENT: ",".join(line for _, line in made)})
    compared: list[str] = []

    def compare(left: str, right: str) -> bool:
        compared.append(left)
        return left == right

    monkeypatch.setattr("hmac.compare_digest", compare)
    assert keys.admit(bearer(made[0][0]), None, auth.READ) == "one"
    assert len(compared) == 3


def test_a_configured_file_must_exist(tmp_path: Path) -> None:
    with pytest.raises(SetupError):
        Keys(tmp_path / "none", {})


def test_without_keys_loopback_only() -> None:
    keys = Keys(None, {})
    assert keys.open
    assert keys.admit(None, "127.0.0.1", auth.EXTRACT) == "loopback"
    for client in ("10.0.0.1", "testclient", None):
        with pytest.raises(Unauthorized):
            keys.admit(None, client, auth.EXTRACT)
    keys.require_loopback("::1")
    with pytest.raises(SetupError):
        keys.require_loopback("0.0.0.0")


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        *(("127.0.0.1", True), ("127.8.0.1", True), ("::1", True), ("localhost", True), ("::ffff:127.0.0.1", True)),
        *(("0.0.0.0", False), ("::", False), ("::ffff:10.0.0.1", False), ("10.0.0.1", False), ("evil.test", False)),
    ],
)
def test_loopback(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected
