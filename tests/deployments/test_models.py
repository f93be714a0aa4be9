from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from codeserve.artifacts import Step, digest
from codeserve.deployments.folders import model_folder
from codeserve.deployments.models import build_reasoner, merge
from codeserve.errors import SetupError


def test_merging_adds_the_low_rank_product(tmp_path: Path) -> None:
    weight, a, b = torch.randn(6, 4), torch.randn(2, 4), torch.randn(6, 2)
    save_file({"layer.q.weight": weight, "norm.weight": torch.ones(4)}, tmp_path / "w.safetensors")
    save_file({"layer.q.lora_a": a, "layer.q.lora_b": b}, tmp_path / "a.safetensors")
    merge(tmp_path / "w.safetensors", tmp_path / "a.safetensors")
    merged = load_file(tmp_path / "w.safetensors")
    assert torch.allclose(merged["layer.q.weight"], weight + b @ a, atol=1e-5)
    assert torch.equal(merged["norm.weight"], torch.ones(4))


def test_an_adapter_for_another_model_is_refused(tmp_path: Path) -> None:
    save_file({"layer.q.weight": torch.zeros(2, 2)}, tmp_path / "w.safetensors")
    save_file({"other.lora_a": torch.zeros(1, 2), "other.lora_b": torch.zeros(2, 1)}, tmp_path / "a.safetensors")
    with pytest.raises(SetupError, match=r"other\.weight"):
        merge(tmp_path / "w.safetensors", tmp_path / "a.safetensors")


def test_weights_with_another_hash_are_refused(tmp_path: Path) -> None:
    (tmp_path / "SmolLM2-135M-Instruct.Q4_1.gguf").write_bytes(b"not it")
    (tmp_path / "hashes.json").write_text(json.dumps({"base": "0" * 64, "adapter": "0" * 64}))
    with pytest.raises(SetupError, match="not the one"):
        build_reasoner(tmp_path, tmp_path, tmp_path, lambda _: None)


def test_a_local_folder_is_taken_as_it_is_and_a_missing_one_refused(tmp_path: Path) -> None:
    assert model_folder(str(tmp_path), Path("unused")) == tmp_path
    assert model_folder("embedded", tmp_path) == tmp_path
    with pytest.raises(SetupError, match="no model folder"):
        model_folder(str(tmp_path / "none"), tmp_path)


def test_a_hub_id_that_cannot_be_fetched_is_a_clear_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(SetupError, match="cannot be fetched"):
        model_folder("nobody/no-such-model", tmp_path)


def test_a_step_that_fails_leaves_nothing_and_a_whole_one_is_renamed(tmp_path: Path) -> None:
    def fail(folder: Path, _: object) -> None:
        (folder / "half").write_text("x")
        raise SetupError("no")

    step = Step("a", "A", tmp_path / "store" / "a", fail)
    with pytest.raises(SetupError):
        step.run(lambda _: None)
    assert not step.ready
    assert list((tmp_path / "store").iterdir()) == []

    whole = Step("a", "A", tmp_path / "store" / "a", lambda folder, _: (folder / "x").write_text("y"))  # type: ignore[arg-type,func-returns-value]
    whole.run(lambda _: None)
    assert (whole.folder / "x").read_text() == "y"


def test_a_digest_follows_content(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("1")
    before = digest([tmp_path, "v"])
    (tmp_path / "f").write_text("2")
    assert digest([tmp_path, "v"]) != before


def test_a_digest_does_not_follow_bytecode(tmp_path: Path) -> None:
    (tmp_path / "f.py").write_text("1")
    before = digest([tmp_path])
    (tmp_path / "__pycache__").mkdir()
    (tmp_path / "__pycache__" / "f.cpython-311.pyc").write_bytes(b"2")
    assert digest([tmp_path]) == before
