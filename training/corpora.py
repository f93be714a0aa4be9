"""The texts that the tagger learns from: public corpora with part of our labels, weakly labelled notes, generated text.

Every text becomes character spans with the set of labels that each span allows; what is said of a token may be partial:
"not a disease and not a chemical" leaves test, procedure and anatomy open.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from clinic_text import DATA, Example, is_held_out, read_table, read_terms

KINDS = ("problem", "procedure", "test", "medication", "anatomy")
LABELS = ("O", *(f"{prefix}-{kind}" for kind in KINDS for prefix in ("B", "I")))
LABEL_ID = {label: i for i, label in enumerate(LABELS)}
ANY = (1 << len(LABELS)) - 1
CORPUS_KINDS = {"Disease": "problem", "Chemical": "medication"}
CORPORA = {"bc5cdr": ("problem", "medication"), "ncbi_disease": ("problem",)}
WEAK_LISTS = {
    "conditions": "problem", "symptoms": "problem", "findings": "problem", "medications": "medication",
    "tests": "test", "procedures": "procedure", "anatomy": "anatomy", "sites": "anatomy",
}  # fmt: skip
WORD = re.compile(r"[a-z0-9]+|[^\sa-z0-9]")


def bits(*labels: str) -> int:
    return sum(1 << LABEL_ID[label] for label in labels)


def kind_bits(*kinds: str) -> int:
    return bits(*(f"{prefix}-{kind}" for kind in kinds for prefix in ("B", "I")))


@dataclass(frozen=True, slots=True)
class Labelled:
    """`first` and `rest` are the allowed labels (bit sets) of each range's first token and of its other tokens.

    Tokens outside every range allow `outside`. Ranges are (start, end, first, rest), in order, apart.
    """

    text: str
    ranges: tuple[tuple[int, int, int, int], ...]
    outside: int


def from_example(example: Example, outside: int = bits("O")) -> Labelled:
    return Labelled(
        example.text,
        tuple((start, end, bits(f"B-{kind}"), bits(f"I-{kind}")) for start, end, kind in example.entities),
        outside,
    )


def read_iob(path: Path) -> Iterator[Example]:
    """Sentences of a token-per-line IOB file; tokens are joined by single spaces."""
    for block in path.read_text(encoding="utf-8").split("\n\n"):
        text, entities = "", []
        for line in block.splitlines():
            token, tag = line.rsplit("\t", 1)
            start = len(text) + bool(text)
            text = f"{text} {token}" if text else token
            if tag.startswith("B-"):
                entities.append((start, len(text), CORPUS_KINDS[tag[2:]]))
            elif tag.startswith("I-"):
                entities[-1] = (entities[-1][0], len(text), entities[-1][2])
        if text:
            yield Example(text, tuple(entities))


def corpus(shared: Path, split: str) -> Iterator[Labelled]:
    """BC5CDR and NCBI disease: what a corpus does not label at all stays open wherever it says nothing."""
    for name, kinds in CORPORA.items():
        open_kinds = [kind for kind in KINDS if kind not in kinds]
        for example in read_iob(shared / name / f"{split}.tsv"):
            yield from_example(example, bits("O") | kind_bits(*open_kinds))


class WeakLabeller:
    """Labels real-style notes by our term lists: known terms and plain words are taught, all other words left open."""

    def __init__(self) -> None:
        self.terms: dict[tuple[str, ...], str] = {}
        ambiguous: set[tuple[str, ...]] = set()
        for name, kind in WEAK_LISTS.items():
            # Short ones mean too much else in running text ("ms", "add", "ed").
            for term in (term for term in read_terms(name) if len(term) > 3 and not is_held_out(term)):
                words = tuple(WORD.findall(term))
                if self.terms.setdefault(words, kind) != kind:
                    ambiguous.add(words)
        for words in ambiguous:
            del self.terms[words]
        self.longest = max(map(len, self.terms))
        self.plain = plain_words() | {"."}

    def label(self, text: str) -> Labelled:
        words = [(match[0], match.start(), match.end()) for match in WORD.finditer(text.lower())]
        ranges: list[tuple[int, int, int, int]] = []
        position = 0
        while position < len(words):
            count = self.match([word for word, _, _ in words[position : position + self.longest]])
            start, end = words[position][1], words[position + max(count, 1) - 1][2]
            if count:
                kind = self.terms[tuple(word for word, _, _ in words[position : position + count])]
                ranges.append((start, end, *self.allowed(kind)))
            elif words[position][0] in self.plain:
                ranges.append((start, end, bits("O"), bits("O")))
            position += max(count, 1)
        return Labelled(text, tuple(ranges), ANY)

    def match(self, words: list[str]) -> int:
        return next((n for n in range(len(words), 0, -1) if tuple(words[:n]) in self.terms), 0)

    @staticmethod
    def allowed(kind: str) -> tuple[int, int]:
        """A known term may go on a longer one of its kind; anatomy may also belong to what happens there."""
        if kind == "anatomy":
            either = kind_bits("anatomy", "problem", "test", "procedure")
            return either, either & ~bits(*(f"B-{other}" for other in KINDS))
        return kind_bits(kind), bits(f"I-{kind}")


def plain_words() -> set[str]:
    """Words of our sentences that are part of no term: safe to teach as outside."""
    literal = " ".join(re.sub(r"\{\w+\}", " ", text) for _, text in read_table("templates") + read_table("fillers"))
    in_terms = {word for path in DATA.glob("*.txt") for term in read_terms(path.stem) for word in WORD.findall(term)}
    return {word for word in WORD.findall(literal.lower()) if word.isalpha()} - in_terms


def weak_notes(shared: Path) -> Iterator[Labelled]:
    labeller = WeakLabeller()
    path = shared / "mts_dialog" / "sections.jsonl"
    for line in path.read_text(encoding="utf-8").splitlines():
        yield labeller.label(json.loads(line)["text"])


def pack(texts: Iterable[Labelled], encode, lengths: Iterator[int]) -> Iterator[tuple[list[int], list[int]]]:  # type: ignore[no-untyped-def]
    """Token ids and allowed labels, texts joined and cut to the lengths that are drawn."""
    ids: list[int] = []
    allowed: list[int] = []
    limit = next(lengths)
    for text in texts:
        more_ids, more_allowed = align(text, encode)
        ids += more_ids
        allowed += more_allowed
        while len(ids) >= limit:
            yield ids[:limit], allowed[:limit]
            ids, allowed, limit = ids[limit:], allowed[limit:], next(lengths)
            ids, allowed = (ids, allowed) if len(ids) > 8 else ([], [])
    if ids:
        yield ids, allowed


def align(text: Labelled, encode) -> tuple[list[int], list[int]]:  # type: ignore[no-untyped-def]
    ids, spans = encode(text.text)
    allowed = [text.outside] * len(ids)
    token = 0
    for start, end, first, rest in text.ranges:
        while token < len(spans) and spans[token].start < start:
            token += 1
        label = first
        while token < len(spans) and spans[token].start < end:
            allowed[token], label = label, rest
            token += 1
    return ids, allowed
