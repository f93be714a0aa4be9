"""MiniLM as a sentence encoder: the one torch call of dense retrieval."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from transformers import BertModel

from codeserve.errors import SetupError

MAX_TOKENS = 64


class MiniLmEncoder:
    """Texts to vectors: mean of the last layer over real tokens, length 1. Texts are cut after 64 tokens."""

    def __init__(
        self, folder: Path, dtype: torch.dtype = torch.float32, device: str = "cpu", threads: int | None = None
    ) -> None:
        """`threads` a call, for the whole process: 1 where the caller encodes batches side by side.

        Raises SetupError when the model's folder cannot be read.
        """
        if threads is not None:
            torch.set_num_threads(threads)
        try:
            model: torch.nn.Module = BertModel.from_pretrained(folder, dtype=dtype, add_pooling_layer=False)
            self._model = model.to(device).eval()
            self._tokenizer = _tokenizer(folder)
        except (OSError, ValueError) as error:
            raise SetupError(
                f"the encoder cannot be read ({type(error).__name__})", hint="run `codeserve setup`"
            ) from None
        self._device = device

    def __call__(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Shape (texts, width), float32. Runs as one batch: the caller keeps it small and its texts alike in length."""
        encoded = self._tokenizer.encode_batch(list(texts))
        ids = torch.tensor([e.ids for e in encoded], device=self._device)
        mask = torch.tensor([e.attention_mask for e in encoded], device=self._device)
        with torch.inference_mode():
            hidden = self._model(input_ids=ids, attention_mask=mask).last_hidden_state.float()
            weights = mask.unsqueeze(-1).float()
            mean = (hidden * weights).sum(1) / weights.sum(1)
            return np.asarray(torch.nn.functional.normalize(mean, dim=1).cpu().numpy(), dtype=np.float32)


def _tokenizer(folder: Path) -> Tokenizer:
    from transformers import AutoTokenizer

    tokenizer: Tokenizer = AutoTokenizer.from_pretrained(folder, use_fast=True).backend_tokenizer
    tokenizer.enable_truncation(MAX_TOKENS)
    tokenizer.enable_padding()
    return tokenizer
