from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from codeserve.errors import SetupError
from codeserve.tagging.core import TaggerModel, map_labels
from codeserve.tagging.entities import Chunk
from codeserve.tagging.post import decode
from codeserve.tagging.pre import load_encoder
from tests.tiny import LABELS, make_tiny_tagger


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_tagger(tmp_path_factory.mktemp("tagger"))


@pytest.fixture(scope="module")
def model(folder: Path) -> TaggerModel:
    return TaggerModel(folder, dtype="float32")


def test_rows_are_probabilities_of_the_labels(model: TaggerModel) -> None:
    short, long = model.run([[10, 11, 12], list(range(5, 45))])
    assert short.shape == (3, len(LABELS))
    assert long.shape == (40, len(LABELS))
    assert short.dtype == np.float32
    np.testing.assert_allclose(long.sum(axis=1), 1.0, atol=1e-5)


def test_padding_changes_nothing(model: TaggerModel) -> None:
    [alone] = model.run([[10, 11, 12]])
    among, _ = model.run([[10, 11, 12], list(range(5, 55))])
    np.testing.assert_allclose(alone, among, atol=1e-5)


def test_special_tokens_frame_the_chunk(model: TaggerModel) -> None:
    import torch

    ids = torch.tensor([[model._cls, 10, 11, model._sep]])
    with torch.inference_mode():
        wanted = model._model(input_ids=ids).logits.softmax(-1)[0, 1:3].numpy()
    np.testing.assert_allclose(model.run([[10, 11]])[0], wanted, atol=1e-5)


def test_nothing_in_nothing_out(model: TaggerModel) -> None:
    assert model.run([]) == []
    assert model.run([[]])[0].shape == (0, len(LABELS))


def test_a_chunk_that_does_not_fit_is_refused(model: TaggerModel) -> None:
    with pytest.raises(ValueError, match="takes 510"):
        model.run([[10] * 511])


def test_bfloat16_agrees_with_float32(folder: Path, model: TaggerModel) -> None:
    ids = list(range(5, 60))
    np.testing.assert_allclose(TaggerModel(folder).run([ids])[0], model.run([ids])[0], atol=0.1)


def test_text_to_entities_through_all_three_steps(folder: Path, model: TaggerModel) -> None:
    text = "The patient denies fever, has chest pain with hypertension."
    ids, spans = load_encoder(folder)(text)
    entities = decode(model.run([ids])[0], Chunk(tuple(ids), tuple(spans)), model.labels, text)
    assert entities
    assert all(entity.span.of(text) == entity.text for entity in entities)


def test_a_foreign_model_is_read_through_its_label_map(tmp_path: Path) -> None:
    labels = ("O", "B-Sign_symptom", "I-Sign_symptom", "B-Medication", "I-Medication", "B-Age", "I-Age")
    folder = make_tiny_tagger(tmp_path, labels)
    model = TaggerModel(folder, label_map={"Sign_symptom": "problem"})
    assert model.labels == ("O", "B-problem", "I-problem", "B-medication", "I-medication", "O", "O")


@pytest.mark.parametrize(
    ("names", "mapping", "labels"),
    [
        (["O", "B-problem", "I-problem"], None, ("O", "B-problem", "I-problem")),
        (["O", "B-DISEASE", "I-DISEASE"], {"B-DISEASE": "problem"}, ("O", "B-problem", "O")),
        (["O", "S-Drug", "E-Drug"], {"Drug": "medication"}, ("O", "B-medication", "I-medication")),
        (["None", "Disease"], {"Disease": "problem"}, ("O", "I-problem")),
    ],
)
def test_labels_in_our_terms(names: list[str], mapping: dict[str, str] | None, labels: tuple[str, ...]) -> None:
    assert map_labels(names, mapping) == labels


@pytest.mark.parametrize(
    ("names", "mapping", "message"),
    [
        (["O", "B-problem"], {"problem": "illness"}, "'illness' is no entity kind"),
        (["O", "B-problem"], {"Disease": "problem"}, "no label 'Disease'"),
        (["LABEL_0", "LABEL_1"], None, "none of the tagger's labels"),
    ],
)
def test_a_map_that_does_not_fit_is_refused(names: list[str], mapping: dict[str, str], message: str) -> None:
    with pytest.raises(SetupError, match=message):
        map_labels(names, mapping)


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match=r"config\.json"):
        TaggerModel(tmp_path / "nowhere")


def test_a_model_without_a_trained_head_is_refused(tmp_path: Path) -> None:
    from transformers import BertConfig, BertModel

    folder = make_tiny_tagger(tmp_path / "model")
    config = json.loads((folder / "config.json").read_text())
    BertModel(BertConfig.from_dict(config)).save_pretrained(folder)
    with pytest.raises(SetupError, match="lacks weights"):
        TaggerModel(folder)
