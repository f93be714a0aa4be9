from pathlib import Path

import numpy as np
import pytest

from codeserve.errors import SetupError
from codeserve.retrieval import text
from codeserve.retrieval.index import Entry, Index, build_index, content_hash, index_is_current
from tests.retrieval.conftest import encode_initials

ENTRIES = [
    Entry("N20.0", ("Calculus of kidney", "Renal stone")),
    Entry("K80.20", ("Calculus of gallbladder",)),
    Entry("S93.409A", ("Sprain of ligament of ankle", "Ankle sprain")),
]


@pytest.fixture
def index(tmp_path: Path) -> Index:
    build_index(ENTRIES, encode_initials, tmp_path, encoder="initials")
    return Index(tmp_path)


def test_a_document_has_the_score_of_its_best_text(index: Index) -> None:
    scores = index.best(index.bm25(text.stems("renal stone")))
    assert scores.shape == (3,)
    assert scores[0] > 0
    assert not scores[1:].any()
    assert index.bm25(["unheard"]).sum() == 0


def test_overlap_is_whole_where_question_and_text_say_the_same(index: Index) -> None:
    told, covered = index.overlap([(group, 1.0) for group in text.groups("ankle sprain")], 0.9)
    assert (told[4], covered[4]) == pytest.approx((1, 1))
    assert told[3] == pytest.approx(1)
    assert 0 < covered[3] < 1
    assert not told[:3].any()


def test_a_synonym_counts_a_little_less_than_the_word(index: Index) -> None:
    told, _ = index.overlap([((("ankl",), ("kidney",)), 1.0)], 0.9)
    assert told[4] == pytest.approx(1)
    assert told[0] == pytest.approx(0.9)


def test_a_misspelt_word_finds_its_neighbour(index: Index) -> None:
    assert index.spelt((("calculis",),)) == (("calculis",), ("calculus",))
    assert index.spelt((("calculus",),)) == (("calculus",),)


def test_vectors_are_kept_in_the_order_of_the_texts(index: Index) -> None:
    query = encode_initials(["Renal stone"])[0]
    assert int(np.argmax(index.dense(query))) == 1
    assert index.dense(query)[1] == pytest.approx(1, abs=1e-3)


def test_progress_ends_at_one_and_the_manifest_tells_what_was_built(tmp_path: Path) -> None:
    shares: list[float] = []
    manifest = build_index(ENTRIES, encode_initials, tmp_path, shares.append, encoder="initials")
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    assert manifest["hash"] == Index(tmp_path).hash == content_hash(ENTRIES, "initials")


def test_an_index_is_current_only_for_what_it_was_made_from(tmp_path: Path) -> None:
    assert not index_is_current(tmp_path, content_hash(ENTRIES))
    build_index(ENTRIES, None, tmp_path)
    assert index_is_current(tmp_path, content_hash(ENTRIES))
    assert not index_is_current(tmp_path, content_hash(ENTRIES[:2]))
    assert not index_is_current(tmp_path, content_hash(ENTRIES, "another encoder"))


def test_a_missing_or_broken_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SetupError):
        Index(tmp_path)
    build_index(ENTRIES, None, tmp_path)
    (tmp_path / "owners.npy").write_bytes(b"no array")
    with pytest.raises(SetupError):
        Index(tmp_path)
