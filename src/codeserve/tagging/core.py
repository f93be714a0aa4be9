"""Token ids → label probabilities: the one call of the model. Any local Hugging Face BERT token classifier works."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from transformers import AutoModelForTokenClassification, AutoTokenizer

from codeserve.errors import SetupError
from codeserve.tagging.entities import EntityKind

# Other schemes name an entity's only and last token (BIOES, BILOU); a label without a prefix names a run of tokens.
PREFIXES = {"B": "B", "I": "I", "S": "B", "U": "B", "E": "I", "L": "I"}
KINDS = frozenset(kind.value for kind in EntityKind)
OUTSIDE = "O"


class TaggerModel:
    """A loaded tagger. `labels[j]` says what column j of the probabilities means: "O", "B-problem", "I-problem" …

    `label_map` takes the labels of a foreign model to our kinds: {"Sign_symptom": "problem"} or, for one label alone,
    {"B-Sign_symptom": "problem"}; what it does not name counts as outside. Raises SetupError for a folder that is not
    a complete token classifier and for a map that does not fit it.
    """

    def __init__(
        self,
        folder: str | Path,
        dtype: str = "bfloat16",
        device: str = "cpu",
        label_map: Mapping[str, str] | None = None,
    ) -> None:
        self._model = _load(Path(folder), dtype, device)
        self._device = device
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        self._cls, self._sep, self._pad = tokenizer.cls_token_id, tokenizer.sep_token_id, tokenizer.pad_token_id
        if None in (self._cls, self._sep, self._pad):
            raise SetupError("the tagger's tokenizer lacks a CLS, SEP or PAD token", hint="use a BERT model")
        self.labels: tuple[str, ...] = map_labels(_names(self._model.config.id2label), label_map)
        self.max_tokens: int = self._model.config.max_position_embeddings - 2
        self.probe_id: int = self._sep
        # A CPU takes 195 us a token alone and 250 in padded batches (one core, bfloat16), and alone what comes out of a
        # chunk does not depend, in its last digits, on the chunks beside it.
        self.pads = device != "cpu"

    def run(self, batch: Sequence[Sequence[int]]) -> list[npt.NDArray[np.float32]]:
        """For each list of ids (no special tokens, at most `max_tokens`) an array (tokens, labels); rows sum to 1."""
        if self.pads:
            return self._together(batch)
        return [rows for chunk in batch for rows in self._together([chunk])]

    def _together(self, batch: Sequence[Sequence[int]]) -> list[npt.NDArray[np.float32]]:
        if not batch:
            return []
        longest = max(map(len, batch))
        if longest > self.max_tokens:
            raise ValueError(f"a chunk of {longest} tokens; the model takes {self.max_tokens}")
        ids = torch.full((len(batch), longest + 2), self._pad)
        mask = torch.zeros_like(ids)
        for row, chunk in enumerate(batch):
            ids[row, : len(chunk) + 2] = torch.tensor([self._cls, *chunk, self._sep])
            mask[row, : len(chunk) + 2] = 1
        with torch.inference_mode():
            logits = self._model(input_ids=ids.to(self._device), attention_mask=mask.to(self._device)).logits
            probabilities = logits.float().softmax(-1).cpu().numpy()
        return [probabilities[row, 1 : 1 + len(chunk)] for row, chunk in enumerate(batch)]


def _load(folder: Path, dtype: str, device: str) -> Any:
    if not (folder / "config.json").is_file():
        raise SetupError(
            "the tagger's folder holds no config.json", hint="run `codeserve setup`, or name a model folder"
        )
    try:
        model, report = AutoModelForTokenClassification.from_pretrained(
            folder, dtype=getattr(torch, dtype), local_files_only=True, output_loading_info=True
        )
    except (OSError, ValueError, RuntimeError) as error:
        raise SetupError(f"the tagger cannot be loaded: {error}", hint="the folder must hold a BERT model") from error
    if missing := sorted(report["missing_keys"]):
        # They would be random numbers: the folder holds some other kind of model.
        raise SetupError(f"the tagger lacks weights: {', '.join(missing[:3])}", hint="use a token classification model")
    return model.to(device).eval()


def _names(id2label: Mapping[Any, str]) -> list[str]:
    return [name for _, name in sorted((int(i), name) for i, name in id2label.items())]


def map_labels(names: Sequence[str], label_map: Mapping[str, str] | None) -> tuple[str, ...]:
    """A model's label names in our terms. Raises SetupError where the map and the names do not fit."""
    mapping = dict(label_map or {})
    if unknown := sorted(set(mapping.values()) - KINDS):
        raise SetupError(f"label_map: {unknown[0]!r} is no entity kind", hint=f"kinds are {', '.join(sorted(KINDS))}")
    types = {name: _split(name) for name in names}
    known = {*names, *(kind for _, kind in types.values())}
    if unknown := sorted(set(mapping) - known):
        raise SetupError(f"label_map: the model has no label {unknown[0]!r}", hint=f"it has {', '.join(names[:12])}")
    labels = []
    for name in names:
        prefix, kind = types[name]
        ours = mapping.get(name) or mapping.get(kind) or (kind.lower() if kind.lower() in KINDS else None)
        labels.append(f"{prefix}-{ours}" if ours else OUTSIDE)
    if set(labels) == {OUTSIDE}:
        raise SetupError("none of the tagger's labels names an entity kind", hint="give a label_map")
    return tuple(labels)


def _split(name: str) -> tuple[str, str]:
    """ "B-problem" → ("B", "problem"), also for "B_problem"; a name without a prefix counts as inside."""
    if len(name) > 2 and name[0] in PREFIXES and name[1] in "-_":
        return PREFIXES[name[0]], name[2:]
    return "I", name
