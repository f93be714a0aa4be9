"""An LLM of the real architecture, but tiny and random, made when the tests start."""

from __future__ import annotations

import json
from pathlib import Path

from tokenizers import Tokenizer, decoders, models, pre_tokenizers

ANSWERS = ("Ġyes", "Ġno", *(f"Ġ{letter}" for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"))


def make_tiny_llm(folder: Path, seed: int = 0) -> Path:
    """Writes a Llama (2 layers, 32 wide, 1024 positions) with a tokenizer of bytes; returns the folder."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = make_tiny_tokenizer()
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "PreTrainedTokenizerFast"}))
    config = LlamaConfig(
        vocab_size=tokenizer.get_vocab_size(),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        max_position_embeddings=1024,
        initializer_range=0.3,  # so that random weights still tell tokens apart
        tie_word_embeddings=True,
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        LlamaForCausalLM(config).eval().save_pretrained(folder)
    return folder


def make_tiny_tokenizer() -> Tokenizer:
    """Byte level, without merges except those that make each answer one token."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    merges = [("Ġ", "y"), ("Ġy", "e"), ("Ġye", "s"), ("Ġ", "n"), ("Ġn", "o")]
    merges += [("Ġ", letter) for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"]
    vocabulary = dict.fromkeys((*alphabet, *("".join(pair) for pair in merges)))
    tokenizer = Tokenizer(models.BPE({token: i for i, token in enumerate(vocabulary)}, merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer
