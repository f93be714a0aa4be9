"""Text → token ids with their places. The tokenizer is the model's own, read from its local folder."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from tokenizers import BertWordPieceTokenizer, Tokenizer

from codeserve.errors import SetupError
from codeserve.notes.spans import Span

Encode = Callable[[str], tuple[list[int], list[Span]]]
HINT = "a tagger is a Hugging Face folder with tokenizer.json or vocab.txt"


def load_encoder(folder: str | Path) -> Encode:
    """The tokenizer of a model folder as a function: text → (ids, spans in code points), no special tokens.

    Spans are not empty and in order; they overlap only where the tokenizer takes one character apart (a Korean
    syllable). Raises SetupError when the folder holds no usable tokenizer.
    """
    tokenizer = _read(Path(folder))
    tokenizer.no_truncation()
    tokenizer.no_padding()

    def encode(text: str) -> tuple[list[int], list[Span]]:
        encoding = tokenizer.encode(text, add_special_tokens=False)
        placed = [(i, Span(start, end)) for i, (start, end) in zip(encoding.ids, encoding.offsets, strict=True)]
        kept = [(i, span) for i, span in placed if len(span)]
        return [i for i, _ in kept], [span for _, span in kept]

    return encode


def _read(folder: Path) -> Tokenizer:
    if (path := folder / "tokenizer.json").is_file():
        try:
            return Tokenizer.from_file(str(path))
        except Exception as error:  # the library raises bare Exception for an unreadable file
            raise SetupError(f"{path.name} of the tagger cannot be read", hint=HINT) from error
    if (path := folder / "vocab.txt").is_file():
        return _from_vocabulary(folder, path)
    raise SetupError("the tagger's folder holds no tokenizer", hint=HINT)


def _from_vocabulary(folder: Path, path: Path) -> Tokenizer:
    config = folder / "tokenizer_config.json"
    lowercase = json.loads(config.read_text(encoding="utf-8")).get("do_lower_case", True) if config.is_file() else True
    wrapped = BertWordPieceTokenizer(str(path), lowercase=lowercase)
    return Tokenizer.from_str(wrapped.to_str())
