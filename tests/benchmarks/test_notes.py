from __future__ import annotations

import pytest

from benchmarks import notes


def test_the_notes_are_our_own_and_each_stands_once() -> None:
    found = notes.bodies()
    assert len({body["document_id"] for body in found}) == len(found) > 150


@pytest.mark.parametrize("characters", [1_000, 16_000, 200_000])
def test_a_long_note_has_its_length(characters: int) -> None:
    text = notes.of_length(characters)["text"]
    assert 0.9 * characters <= len(text) <= characters
