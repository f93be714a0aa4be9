from __future__ import annotations

import itertools
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from codeserve.notes.spans import Span
from codeserve.tagging.entities import Chunk, Entity, EntityKind
from codeserve.tagging.post import decode, merge
from tests.tiny import LABELS

PROBLEM, TEST = EntityKind.PROBLEM, EntityKind.TEST


def tokens(text: str) -> Chunk:
    """Runs of letters, cut into pieces of three as a word-piece tokenizer would; every other mark alone."""
    spans = [Span(m.start(), m.end()) for m in re.finditer(r"[^\W_]{1,3}|[^\w\s]|_", text)]
    return Chunk(tuple(range(len(spans))), tuple(spans))


def certain(labels: list[str], sure: float = 0.9) -> np.ndarray:
    rows = np.full((len(labels), len(LABELS)), (1 - sure) / (len(LABELS) - 1), np.float32)
    for row, label in enumerate(labels):
        rows[row, LABELS.index(label)] = sure
    return rows


def tagged(text: str, words: dict[str, str]) -> list[tuple[str, str]]:
    """Decode where the first token of each word has the label given for it, and later pieces say O."""
    chunk = tokens(text)
    labels = []
    for span in chunk.spans:
        inside = span.start and text[span.start - 1].isalnum() and text[span.start].isalnum()
        word = re.match(r"\w+|\W", text[span.start :])
        labels.append("O" if inside or word is None else words.get(word[0], "O"))
    return [(entity.kind.value, entity.text) for entity in decode(certain(labels), chunk, LABELS, text)]


def test_words_are_whole_and_runs_are_joined() -> None:
    found = tagged(
        "has chest pain and hypertension", {"chest": "B-problem", "pain": "I-problem", "hypertension": "B-problem"}
    )
    assert found == [("problem", "chest pain"), ("problem", "hypertension")]


def test_a_stray_inside_starts_an_entity() -> None:
    assert tagged("on lisinopril", {"lisinopril": "I-medication"}) == [("medication", "lisinopril")]


def test_a_begin_after_a_run_starts_another() -> None:
    assert tagged("htn gerd", {"htn": "B-problem", "gerd": "B-problem"}) == [("problem", "htn"), ("problem", "gerd")]


def test_another_kind_starts_another_entity() -> None:
    assert tagged("knee mri", {"knee": "B-problem", "mri": "I-test"}) == [("problem", "knee"), ("test", "mri")]


def test_punctuation_at_the_ends_is_trimmed() -> None:
    labels = {",": "I-problem", "asthma": "B-problem", ".": "I-problem", "(": "B-problem"}
    assert tagged("( asthma ,.", labels) == [("problem", "asthma")]
    assert tagged("(.", labels) == []


def test_joining_words_at_the_ends_are_trimmed() -> None:
    labels = {"the": "B-problem", "edema": "I-problem", "of": "I-problem", "legs": "I-problem", "with": "I-problem"}
    assert tagged("the edema of the legs with", labels | {"the": "I-problem"}) == [("problem", "edema of the legs")]
    assert tagged("with the", {"with": "B-problem", "the": "I-problem"}) == []


def test_a_bracket_that_belongs_stays() -> None:
    labels = {"reflux": "B-problem", "(": "I-problem", "gerd": "I-problem", ")": "I-problem"}
    assert tagged("reflux (gerd)", labels) == [("problem", "reflux (gerd)")]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("asthma\ngerd", ["asthma", "gerd"]),
        ("the patient was told at length that she has severe asthma\ngerd", ["asthma\ngerd"]),
        ("the patient was told at length that she has severe asthma\n\ngerd", ["asthma", "gerd"]),
        ("the patient was told at length that she has severe asthma\nGerd", ["asthma", "Gerd"]),
    ],
)
def test_a_line_ends_an_entity_unless_it_was_wrapped(text: str, found: list[str]) -> None:
    labels = {"asthma": "B-problem", "gerd": "I-problem", "Gerd": "I-problem"}
    assert [piece for _, piece in tagged(text, labels)] == found


def test_the_score_is_the_mean_over_words() -> None:
    rows = certain(["B-problem", "I-problem"], 0.8)
    rows[1] = certain(["I-problem"], 0.6)[0]
    [entity] = decode(rows, tokens("bad leg"), LABELS, "bad leg")
    spill = (0.2 + 0.4) / 10  # what the other label of the kind holds
    assert entity.score == pytest.approx((0.8 + 0.6 + spill) / 2, abs=1e-4)


def test_rows_must_match_tokens() -> None:
    with pytest.raises(ValueError, match="2 tokens but 1 rows"):
        decode(certain(["O"]), tokens("bad leg"), LABELS, "bad leg")


def test_pieces_of_one_character_are_one_word() -> None:
    chunk = Chunk((1, 2), (Span(0, 1), Span(0, 1)))
    [found] = decode(certain(["B-problem", "B-problem"]), chunk, LABELS, "\ud0dc")
    assert found.span == Span(0, 1)


def test_an_empty_chunk_holds_nothing() -> None:
    assert decode(certain([]), Chunk((), ()), LABELS, "") == ()


@given(st.text(alphabet="ab ,.(\n)1\u00e9", max_size=40), st.data())
def test_any_labels_give_ordered_exact_apart_trimmed_entities(text: str, data: st.DataObject) -> None:
    chunk = tokens(text)
    labels = data.draw(st.lists(st.sampled_from(LABELS), min_size=len(chunk.ids), max_size=len(chunk.ids)))
    entities = decode(certain(labels), chunk, LABELS, text)
    assert all(entity.span.of(text) == entity.text and entity.text[0].isalnum() for entity in entities)
    assert all(0 < entity.score <= 1 for entity in entities)
    assert all(a.span.end <= b.span.start for a, b in itertools.pairwise(entities))


TEXT = "x" * 1_000


def entity(start: int, end: int, score: float = 0.9, kind: EntityKind = PROBLEM) -> Entity:
    return Entity(kind, Span(start, end), TEXT[start:end], score)


def window(start: int, end: int) -> Chunk:
    return Chunk((0, 0), (Span(start, start + 1), Span(end - 1, end)))


def test_copies_become_one() -> None:
    assert merge([[entity(80, 90)], [entity(80, 90)]], [window(0, 200), window(60, 300)]) == (entity(80, 90),)


def test_the_copy_further_from_its_edge_wins() -> None:
    cut, whole = entity(90, 100, 0.99), entity(85, 112, 0.5)
    assert merge([[cut], [whole]], [window(0, 100), window(50, 300)]) == (whole,)


def test_then_the_longer_then_the_surer() -> None:
    assert merge([[entity(80, 90, 0.9)], [entity(80, 95, 0.5)]]) == (entity(80, 95, 0.5),)
    assert merge([[entity(80, 90, 0.5)], [entity(80, 90, 0.9)]]) == (entity(80, 90, 0.9),)


def test_order_of_the_windows_does_not_matter() -> None:
    first, second = [entity(10, 20), entity(80, 90, 0.4, TEST)], [entity(80, 95), entity(120, 130)]
    windows = [window(0, 100), window(70, 200)]
    assert merge([first, second], windows) == merge([second, first], windows[::-1])


@given(
    st.lists(
        st.lists(
            st.builds(lambda s, n, p: entity(s, s + n, p), st.integers(0, 300), st.integers(1, 90), st.floats(0.1, 1))
        )
    )
)
def test_merged_entities_never_overlap_and_none_is_lost_for_nothing(found: list[list[Entity]]) -> None:
    merged = merge(found)
    assert all(a.span.end <= b.span.start for a, b in itertools.pairwise(merged))
    for one in (one for entities in found for one in entities):
        assert any(one.span.overlaps(kept.span) for kept in merged)
