"""The embedded LLM made whole: SmolLM2 out of its package's GGUF, the trained adapter merged into it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import orjson

from codeserve.errors import SetupError

GGUF = "SmolLM2-135M-Instruct.Q4_1.gguf"
WEIGHTS = "model.safetensors"
ADAPTER = "adapter.safetensors"
HASHES = "hashes.json"
HINT = "reinstall codeserve and its pinned dependencies, then run `codeserve setup`"


def build_base(package: Path, folder: Path) -> None:
    """The instruct model as a bf16 Hugging Face folder, dequantised from the package's GGUF."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig
    from transformers.utils import logging

    logging.disable_progress_bar()
    model = AutoModelForCausalLM.from_pretrained(
        package, gguf_file=GGUF, quantization_config=GgufConfig(dequantize=True), dtype=torch.bfloat16
    ).to(torch.bfloat16)
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config
    model.save_pretrained(folder)
    AutoTokenizer.from_pretrained(package, gguf_file=GGUF).save_pretrained(folder)


def build_reasoner(package: Path, adapter: Path, folder: Path, progress: Callable[[float], None]) -> None:
    """The base with the adapter's low-rank products added to its weights. Raises SetupError for a wrong hash."""
    _check(package / GGUF, adapter, "base")
    _check(adapter / ADAPTER, adapter, "adapter")
    progress(0.05)
    build_base(package, folder)
    progress(0.7)
    merge(folder / WEIGHTS, adapter / ADAPTER)
    progress(1.0)


def merge(weights: Path, adapter: Path) -> None:
    """W + B A for each adapted W, in float32, back in W's type. The adapter's B already carries its scale."""
    from safetensors.torch import load_file, save_file

    tensors, low = load_file(weights), load_file(adapter)
    for name in sorted(n.removesuffix(".lora_a") for n in low if n.endswith(".lora_a")):
        target = f"{name}.weight"
        if target not in tensors:
            raise SetupError(f"the adapter does not fit the base model: there is no {target}", hint=HINT)
        product = low[f"{name}.lora_b"].float() @ low[f"{name}.lora_a"].float()
        tensors[target] = (tensors[target].float() + product).to(tensors[target].dtype)
    save_file(tensors, weights, metadata={"format": "pt"})


def _check(path: Path, adapter: Path, what: str) -> None:
    try:
        wanted = orjson.loads((adapter / HASHES).read_bytes())[what]
        found = hashlib.sha256(path.read_bytes()).hexdigest()
    except (OSError, KeyError, orjson.JSONDecodeError):
        raise SetupError(f"the reasoner's {what} is missing", hint=HINT) from None
    if found != wanted:
        raise SetupError(f"the reasoner's {what} is not the one that was tested", hint=HINT)
