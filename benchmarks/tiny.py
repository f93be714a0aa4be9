"""A reasoner that costs next to nothing: the embedded one's tokenizer over a random Llama of one layer."""

from __future__ import annotations

import shutil
from pathlib import Path

from codeserve.config import home
from codeserve.setup import ready

TOKENIZER = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json")


def make_reasoner(folder: Path, seed: int = 0) -> Path:
    """Writes the model and its tokenizer; returns the folder."""
    import torch
    from transformers import AutoConfig, LlamaConfig, LlamaForCausalLM

    source = ready(home()).reasoner
    folder.mkdir(parents=True, exist_ok=True)
    for name in TOKENIZER:
        if (source / name).exists():
            shutil.copy(source / name, folder / name)
    config = LlamaConfig(
        vocab_size=AutoConfig.from_pretrained(source).vocab_size,
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=1,
        max_position_embeddings=1024,
        initializer_range=0.3,  # so that random weights still tell tokens apart
        tie_word_embeddings=True,
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        LlamaForCausalLM(config).to(torch.bfloat16).eval().save_pretrained(folder)
    return folder
