from __future__ import annotations

import hashlib
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codeserve.access.table import load_table
from codeserve.api.auth import ENVIRONMENT, Keys, add_key, create_key, list_keys, parse_keys, revoke
from codeserve.errors import SetupError

TABLE = load_table()
names = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,20}", fullmatch=True)
roles = st.lists(st.sampled_from(sorted(TABLE.roles)), unique=True)


def found(keys: Keys, secret: str) -> str | None:
    caller = keys.find(secret)
    return caller and caller.id


@given(names, roles, st.one_of(st.just("default"), names), st.data())
def test_a_key_is_stored_as_its_hash(name: str, roles: list[str], tenant: str, data: st.DataObject) -> None:
    granted = TABLE.granted(roles or ["adapter"])
    scopes = data.draw(st.sets(st.sampled_from(sorted(granted))))
    secret, line = create_key(name, sorted(scopes), roles, tenant)
    assert secret.startswith("cs_")
    assert len(secret) >= 46
    assert secret not in line
    (key,) = parse_keys(line)
    assert (key.name, key.digest) == (name, hashlib.sha256(secret.encode()).hexdigest())
    assert key.line == line
    caller = key.principal(TABLE)
    assert (caller.subject, caller.tenant, caller.kind) == (name, tenant, "key")
    assert caller.roles == set(roles or ["adapter"])
    assert caller.permissions == (scopes or granted)


def test_lines_of_before_are_an_adapters() -> None:
    old, narrow = parse_keys(f"a:{'0' * 64}\nb:{'1' * 64}:read")
    assert (old.principal(TABLE).tenant, old.principal(TABLE).roles) == ("default", {"adapter"})
    assert old.principal(TABLE).permissions == TABLE.roles["adapter"].permissions >= {"extract", "read"}
    assert narrow.principal(TABLE).permissions == {"read"}
    assert [key.line for key in (old, narrow)] == [f"a:{'0' * 64}", f"b:{'1' * 64}:read"]


def test_a_line_with_everything() -> None:
    line = f"jane:{'0' * 64}:audit+read:roles=auditor+coder:tenant=northside"
    (key,) = parse_keys(line)
    assert key.line == line
    caller = key.principal(TABLE)
    assert (caller.tenant, caller.roles, caller.permissions) == ("northside", {"auditor", "coder"}, {"audit", "read"})


def test_the_same_name_in_two_practices_is_two_callers() -> None:
    """Rate limits and stored answers go by the id."""
    lines = [create_key("jane", tenant=tenant)[1] for tenant in ("default", "north", "south")]
    assert len({parse_keys(line)[0].principal(TABLE).id for line in lines}) == 3


@pytest.mark.parametrize("name", ["", "a:b", "a b", "-a", "x" * 65, "a\n"])
def test_a_name_that_breaks_the_line_is_refused(name: str) -> None:
    with pytest.raises(SetupError):
        create_key(name)


@pytest.mark.parametrize(
    ("roles", "scopes", "tenant"), [(["boss"], [], "a"), (["coder"], ["audit"], "a"), (["coder"], [], "a:b")]
)
def test_what_a_key_cannot_be(roles: list[str], scopes: list[str], tenant: str) -> None:
    with pytest.raises(SetupError):
        create_key("a", scopes, roles, tenant)


@pytest.mark.parametrize(
    "text",
    [
        *("secret", "a:123", f"a:{'0' * 64}:admin", f"a:{'G' * 64}", f"a:{'0' * 64}:roles=boss"),
        *(f"a:{'0' * 64}:tenant=", f"a:{'0' * 64}:tenant=x:roles=coder", f"a:{'0' * 64}:roles=coder:tenant=a b"),
    ],
)
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
    assert found(keys, first) == "one"
    second = add_key(path, "two")
    assert found(keys, second) == "two"
    revoke(path, "one")
    assert found(keys, first) is None


def test_the_last_key_revoked_lets_nobody_in(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    secret = add_key(path, "one")
    keys = Keys(path, {})
    revoke(path, "one")
    assert found(keys, secret) is None
    path.unlink()
    assert found(keys, secret) is None
    assert not keys.open


def test_keys_of_the_environment_and_of_a_file_count_both(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    in_file = add_key(path, "file")
    (one, first), (two, second) = create_key("one"), create_key("two", ["read"])
    keys = Keys(path, {ENVIRONMENT: f"{first},{second}\n"})
    assert [found(keys, secret) for secret in (one, two, in_file)] == ["one", "two", "file"]
    caller = keys.find(two)
    assert caller is not None
    assert caller.permissions == {"read"}


def test_every_key_is_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    made = [create_key(name) for name in ("one", "two", "three")]
    keys = Keys(None, {ENVIRONMENT: ",".join(line for _, line in made)})
    compared: list[str] = []

    def compare(left: str, right: str) -> bool:
        compared.append(left)
        return left == right

    monkeypatch.setattr("hmac.compare_digest", compare)
    assert found(keys, made[0][0]) == "one"
    assert len(compared) == 3


def test_a_configured_file_must_exist(tmp_path: Path) -> None:
    with pytest.raises(SetupError):
        Keys(tmp_path / "none", {})
