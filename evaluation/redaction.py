"""Which names redaction finds without being told, and which clinical terms it touches.

    python evaluation/redaction.py NOTES.jsonl [--show]

NOTES.jsonl has `text` and the names that stand in it: `first`, `last`, `doctor`. Touched: problems of the tagger on the
note as it came that overlap a redaction. `--show` prints the words around what was missed: that is note text.
"""

from __future__ import annotations

import argparse
import re
import time
from collections.abc import Iterator
from pathlib import Path

import orjson

from codeserve.config import AppSettings, home
from codeserve.deployments.loading import load_tagger
from codeserve.notes.chunks import chunk
from codeserve.notes.redaction import Redactor
from codeserve.notes.spans import Span
from codeserve.setup import ready
from codeserve.tagging.entities import Entity, EntityKind
from codeserve.tagging.post import decode, merge
from codeserve.tagging.pre import load_encoder


def mentions(row: dict[str, str]) -> Iterator[Span]:
    """Every place of a name's parts that is written as a name: capitalised, whatever case the field has."""
    parts = {word for key in ("first", "last", "doctor") for word in str(row.get(key) or "").split() if len(word) > 1}
    for part in sorted(parts - {"Dr.", "MD"}):
        for match in re.finditer(rf"\b{re.escape(part)}\b", row["text"], re.IGNORECASE):
            if match[0][0].isupper():
                yield Span(*match.span())


class Problems:
    """The tagger's problems of a text."""

    def __init__(self, settings: AppSettings) -> None:
        self.settings = settings.model_set.tagger
        self.model = load_tagger(self.settings)
        self.encode = load_encoder(ready(home()).tagger)

    def __call__(self, text: str) -> list[Entity]:
        chunks = chunk(text, self.encode, self.settings.window, self.settings.overlap)
        labelled = self.model.run([c.ids for c in chunks])
        found = [decode(p, c, self.model.labels, text) for p, c in zip(labelled, chunks, strict=True)]
        return [e for e in merge(found, chunks) if e.kind is EntityKind.PROBLEM]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("notes", type=Path)
    parser.add_argument("--show", action="store_true")
    args = parser.parse_args()
    rows = [orjson.loads(line) for line in args.notes.read_bytes().splitlines()]
    redactor, problems = Redactor(), Problems(AppSettings())
    named = found = tagged = touched = characters = 0
    seconds = 0.0
    for row in rows:
        text, begun = row["text"], time.perf_counter()
        spans = [hit.span for hit in redactor.redact(text).spans]
        seconds, characters = seconds + time.perf_counter() - begun, characters + len(text)
        for mention in mentions(row):
            hit = any(span.start <= mention.start and mention.end <= span.end for span in spans)
            named, found = named + 1, found + hit
            if args.show and not hit:
                print("missed:", repr(text[max(0, mention.start - 40) : mention.end + 40]))
        for entity in problems(text):
            hit = any(entity.span.overlaps(span) for span in spans)
            tagged, touched = tagged + 1, touched + hit
            if args.show and hit:
                print("touched:", repr(entity.text))
        if args.show:
            names = [h.span for h in redactor.redact(text).spans if h.kind == "NAME"]
            told = list(mentions(row))
            print("taken:", [s.of(text) for s in names if not any(s.overlaps(t) for t in told)])
    print(f"names: {found} of {named} mentions found ({found / max(named, 1):.4f})")
    print(f"problems: {touched} of {tagged} touched ({touched / max(tagged, 1):.4f})")
    print(f"{1e6 * seconds / max(characters, 1):.2f} ms per 1,000 characters")


if __name__ == "__main__":
    main()
