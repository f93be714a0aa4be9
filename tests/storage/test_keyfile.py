from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from codeserve.errors import SetupError
from codeserve.storage import keyfile
from codeserve.storage.crypto import Context

PLACE = Context("north", "documents", "note", "1")


def test_a_new_file_is_for_its_owner_only_and_none_is_replaced(keys_file: Path) -> None:
    assert keys_file.stat().st_mode & 0o777 == 0o600
    before = keys_file.read_bytes()
    with pytest.raises(SetupError, match="there already"):
        keyfile.create(keys_file)
    assert keys_file.read_bytes() == before


def test_keys_come_and_go_and_old_values_stay_readable_until_then(keys_file: Path) -> None:
    old = keyfile.load_ring(keys_file)
    sealed = old.seal(b"text", PLACE)
    new_id = keyfile.add(keys_file)
    both = keyfile.load_ring(keys_file)
    assert both.active == new_id != old.active
    assert both.unseal(sealed, PLACE) == b"text"
    assert [(name, active) for name, _, active in keyfile.listed(keys_file)] == [(old.active, False), (new_id, True)]
    with pytest.raises(SetupError, match="active"):
        keyfile.drop(keys_file, new_id)
    keyfile.drop(keys_file, old.active)
    with pytest.raises(SetupError, match=old.active):
        keyfile.load_ring(keys_file).unseal(sealed, PLACE)
    with pytest.raises(SetupError, match="no key"):
        keyfile.drop(keys_file, old.active)
    assert keys_file.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("mode", [0o644, 0o604, 0o620, 0o660])
def test_a_file_that_others_can_read_or_write_is_refused(keys_file: Path, mode: int) -> None:
    keys_file.chmod(mode)
    with pytest.raises(SetupError, match="others"):
        keyfile.load_ring(keys_file)
    keys_file.chmod(0o440)  # a secret that Kubernetes mounts for a group
    keyfile.load_ring(keys_file)


@pytest.mark.parametrize("spoil", [{"active": "000000000000"}, {"keys": [{"id": "a"}]}, {"keys": 3}, {"keys": []}])
def test_a_damaged_file_is_refused_without_a_word_of_it(keys_file: Path, spoil: dict[str, Any]) -> None:
    document = json.loads(keys_file.read_text())
    keys_file.write_text(json.dumps({**document, **spoil}))
    with pytest.raises(SetupError) as caught:
        keyfile.load_ring(keys_file)
    assert document["keys"][0]["key"] not in caught.value.detail


def test_a_missing_file_and_one_that_is_not_json(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="no key ring"):
        keyfile.load_ring(tmp_path / "none.json")
    other = tmp_path / "other.json"
    other.write_text("keys")
    other.chmod(0o600)
    with pytest.raises(SetupError, match="not a key ring"):
        keyfile.load_ring(other)
