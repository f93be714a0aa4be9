"""The embedded tagger made whole: the base model's word embeddings and the trained rest become one model folder."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

from safetensors.numpy import load_file, save_file

from codeserve.errors import SetupError

WEIGHTS = "model.safetensors"
HASHES = "hashes.json"
# Frozen in training, so taken from the base: the name there by the name here.
FROM_BASE = {"bert.embeddings.word_embeddings.weight": "embeddings.word_embeddings.weight"}
TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "vocab.txt")
HINT = "reinstall codeserve and its pinned dependencies, then run `codeserve setup`"


def build(base_folder: Path, delta_folder: Path, out_folder: Path) -> None:
    """Write a complete Hugging Face folder to `out_folder` (made if absent).

    Raises SetupError when a weights file is absent or is not the one that `delta_folder`/hashes.json names.
    """
    hashes = json.loads((delta_folder / HASHES).read_text(encoding="utf-8"))
    base = load_file(_checked(base_folder / WEIGHTS, hashes["base"], "base model"))
    tensors = load_file(_checked(delta_folder / WEIGHTS, hashes["delta"], "trained tagger"))
    dtype = next(iter(tensors.values())).dtype
    for ours, theirs in FROM_BASE.items():
        tensors[ours] = base[theirs].astype(dtype)
    out_folder.mkdir(parents=True, exist_ok=True)
    save_file(tensors, out_folder / WEIGHTS, metadata={"format": "pt"})
    shutil.copy(delta_folder / "config.json", out_folder)
    for name in TOKENIZER_FILES:
        if (base_folder / name).is_file():
            shutil.copy(base_folder / name, out_folder)


def _checked(path: Path, wanted: str, what: str) -> Path:
    if not path.is_file():
        raise SetupError(f"the weights of the {what} are missing", hint=HINT)
    if hashlib.sha256(path.read_bytes()).hexdigest() != wanted:
        raise SetupError(f"the weights of the {what} are not the expected ones", hint=HINT)
    return path
