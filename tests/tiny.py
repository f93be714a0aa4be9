"""A tagger of the real architecture, but tiny and random, made when the tests start."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from tokenizers import BertWordPieceTokenizer

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
CHARACTERS = "abcdefghijklmnopqrstuvwxyz0123456789.,;:()/-%'\"+#*•"
WORDS = ("the", "patient", "has", "chest", "pain", "denies", "fever", "hypertension", "diabetes", "of", "and", "with")
KINDS = ("problem", "procedure", "test", "medication", "anatomy")
LABELS = ("O", *(f"{prefix}-{kind}" for kind in KINDS for prefix in ("B", "I")))


def make_tiny_tagger(folder: Path, labels: Sequence[str] = LABELS, seed: int = 0) -> Path:
    """Writes a BERT token classifier (2 layers, 16 wide, 512 positions) with its tokenizer; returns the folder."""
    import torch
    from transformers import BertConfig, BertForTokenClassification

    folder.mkdir(parents=True, exist_ok=True)
    pieces = [*SPECIAL, *CHARACTERS, *(f"##{character}" for character in CHARACTERS if character.isalnum()), *WORDS]
    (folder / "vocab.txt").write_text("\n".join(pieces) + "\n", encoding="utf-8")
    BertWordPieceTokenizer(str(folder / "vocab.txt"), lowercase=True).save(str(folder / "tokenizer.json"))
    named = {"cls_token": "[CLS]", "sep_token": "[SEP]", "pad_token": "[PAD]", "unk_token": "[UNK]"}
    settings = {"tokenizer_class": "BertTokenizer", "do_lower_case": True, "mask_token": "[MASK]", **named}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings), encoding="utf-8")
    config = BertConfig(
        vocab_size=len(pieces),
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        id2label=dict(enumerate(labels)),
        label2id={label: i for i, label in enumerate(labels)},
        initializer_range=0.5,  # so that random weights still tell tokens apart
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        BertForTokenClassification(config).eval().save_pretrained(folder)
    return folder
