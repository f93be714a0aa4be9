from __future__ import annotations

import os
from collections.abc import Callable

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from codeserve.errors import SetupError, StoredDataBroken
from codeserve.storage.crypto import Context, KeyRing, key_id, wrapped_by

KEYS = {key_id(key): key for key in (bytes([n]) * 32 for n in range(1, 4))}
OLD, NEW, OTHER = KEYS
RING = KeyRing(NEW, KEYS)
PART = st.text(max_size=12)
CONTEXTS = st.builds(Context, PART, PART, PART, PART)
NOTE = Context("north", "documents", "note", "1")


@given(st.binary(max_size=2000), CONTEXTS)
def test_what_is_sealed_is_opened_at_its_place(plain: bytes, context: Context) -> None:
    sealed = RING.seal(plain, context)
    assert RING.unseal(sealed, context) == plain
    assert wrapped_by(sealed) == NEW
    assert len(plain) < 4 or plain not in sealed


@given(CONTEXTS, CONTEXTS)
def test_a_value_cannot_be_moved(own: Context, other: Context) -> None:
    assume(own != other)
    with pytest.raises(StoredDataBroken, match="another row"):
        RING.unseal(RING.seal(b"a note", own), other)


@given(st.data())
def test_no_bit_can_be_changed(data: st.DataObject) -> None:
    sealed = bytearray(RING.seal(b"a note of some length", NOTE))
    sealed[data.draw(st.integers(0, len(sealed) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises((StoredDataBroken, SetupError)):
        RING.unseal(bytes(sealed), NOTE)


@given(st.binary(max_size=200))
def test_what_was_never_sealed_is_refused(junk: bytes) -> None:
    with pytest.raises((StoredDataBroken, SetupError)):
        RING.unseal(junk, NOTE)


@given(st.binary(max_size=100), CONTEXTS)
def test_a_new_key_wraps_again_and_the_text_stays(plain: bytes, context: Context) -> None:
    before = KeyRing(OLD, KEYS).seal(plain, context)
    after = RING.rewrap(before, context)
    assert (wrapped_by(before), wrapped_by(after)) == (OLD, NEW)
    assert after[-len(plain) - 28 :] == before[-len(plain) - 28 :]
    assert KeyRing(NEW, {NEW: KEYS[NEW]}).unseal(after, context) == plain


def test_the_same_text_looks_different_every_time() -> None:
    assert len({RING.seal(b"same", NOTE) for _ in range(50)}) == 50


@pytest.mark.parametrize(
    "use", [lambda ring, sealed: ring.unseal(sealed, NOTE), lambda ring, sealed: ring.rewrap(sealed, NOTE)]
)
def test_a_missing_key_is_named_and_no_secret_is(use: Callable[[KeyRing, bytes], bytes]) -> None:
    sealed = RING.seal(b"the patient's note", NOTE)
    with pytest.raises(SetupError) as caught:
        use(KeyRing(OLD, {OLD: KEYS[OLD]}), sealed)
    told = f"{caught.value.detail} {caught.value.hint}"
    assert NEW in told
    assert "documents.note" in told
    assert KEYS[NEW].hex() not in told
    assert "patient" not in told


def test_another_key_under_a_known_id_is_found_at_once() -> None:
    with pytest.raises(SetupError, match=OLD):
        KeyRing(OLD, {OLD: os.urandom(32)})
    with pytest.raises(SetupError, match=OTHER):
        KeyRing(OTHER, {OLD: KEYS[OLD]})


@given(st.binary(max_size=50), st.binary(max_size=50))
def test_a_signature_is_of_its_message_and_key(one: bytes, other: bytes) -> None:
    assert RING.mac(one) == RING.mac(one, NEW)
    assert RING.mac(one) != RING.mac(one, OLD)
    assert (RING.mac(one) == RING.mac(other)) == (one == other)
