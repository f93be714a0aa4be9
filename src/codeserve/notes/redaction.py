"""Direct identifiers out of the text before a model or a log sees it, with a map back to the original offsets.

Recognition is Presidio's pattern recognisers over data/redaction.tsv and over the identifiers that the request names
(HIPAA Safe Harbor, 45 CFR 164.514(b)(2)). A pattern's group `id` is what goes; without it the whole match does.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.resources import files

from presidio_analyzer import Pattern, PatternRecognizer

from codeserve.notes.spans import Span

FLAGS = re.UNICODE
MIN_PART = 2
# Parts of a named identifier that are words of the language: gone only where they are capitalised.
_COMMON = frozenset(
    "bell may will mark grace hope faith rose dawn june april august young long short white black brown green gray "
    "wood woods stone hill park lane field fields rivers banks power price rich sharp small cook baker carter hand "
    "head foot knee heart burns pain cutter crohn parkinson hodgkin graves barrett back chest".split()
)


@dataclass(frozen=True, slots=True)
class Redacted:
    """What was taken out: a span of the original text and its kind."""

    span: Span
    kind: str


@dataclass(frozen=True, slots=True)
class Redaction:
    """`starts[i]`, `ends[i]`: where character i of `text` begins and ends in the original (see Document)."""

    text: str
    starts: tuple[int, ...] | range
    ends: tuple[int, ...] | range
    spans: tuple[Redacted, ...]


class Redactor:
    """Built once; holds the compiled patterns and nothing of any note."""

    def __init__(self) -> None:
        self._patterns = tuple(_read_patterns())

    def redact(self, text: str, identifiers: Sequence[str] = ()) -> Redaction:
        """Replace identifiers by placeholders such as `[NAME]`; linear in the text's length."""
        found = [*self._by_pattern(text), *_named(text, identifiers)]
        return _replace(text, _disjoint(found))

    def _by_pattern(self, text: str) -> Iterator[Redacted]:
        for kind, recognizer, pattern in self._patterns:
            for hit in recognizer.analyze(text, [kind]) or ():
                match = pattern.match(text, hit.start)
                whole = Span(hit.start, hit.end)
                held = Span(*match.span("id")) if match and "id" in pattern.groupindex else whole
                yield Redacted(held, kind)


def _read_patterns() -> Iterator[tuple[str, PatternRecognizer, re.Pattern[str]]]:
    lines = files("codeserve").joinpath("data", "redaction.tsv").read_text(encoding="utf-8").splitlines()[1:]
    for number, line in enumerate(lines, 2):
        kind, expression = line.split("\t")
        pattern = Pattern(name=f"{kind}:{number}", regex=expression, score=1.0)
        recognizer = PatternRecognizer(
            supported_entity=kind, patterns=[pattern], name=pattern.name, global_regex_flags=FLAGS
        )
        yield kind, recognizer, re.compile(expression, FLAGS)


def _named(text: str, identifiers: Sequence[str]) -> Iterator[Redacted]:
    """The request's own identifiers, and the parts of a name that stand alone."""
    for identifier in identifiers:
        words = re.findall(r"\w+", identifier, re.UNICODE)
        if not words:
            continue
        kind = "NAME" if not any(c.isdigit() for c in identifier) else "ID"
        whole = r"[\W_]{1,3}".join(re.escape(word) for word in words)
        yield from _matches(text, rf"(?<!\w){whole}(?!\w)", kind, re.IGNORECASE)
        if kind == "NAME":
            for word in words:
                if len(word) >= MIN_PART and len(words) > 1:
                    yield from _matches(text, rf"(?<!\w){re.escape(word)}(?!\w)", kind, re.IGNORECASE, capital=True)


def _matches(text: str, expression: str, kind: str, flags: int, capital: bool = False) -> Iterator[Redacted]:
    for match in re.finditer(expression, text, flags | FLAGS):
        common = match[0].lower() in _COMMON or len(match[0]) <= MIN_PART
        if not (capital and common) or match[0][0].isupper():
            yield Redacted(Span(*match.span()), kind)


def _disjoint(found: list[Redacted]) -> tuple[Redacted, ...]:
    """The longest of those that overlap, in order."""
    kept: list[Redacted] = []
    for hit in sorted((h for h in found if len(h.span)), key=lambda h: (h.span.start, -len(h.span))):
        if kept and hit.span.start < kept[-1].span.end:
            last = kept[-1]
            kept[-1] = Redacted(last.span.cover(hit.span), last.kind)
        else:
            kept.append(hit)
    return tuple(kept)


def _replace(text: str, spans: tuple[Redacted, ...]) -> Redaction:
    if not spans:
        return Redaction(text, range(len(text)), range(1, len(text) + 1), ())
    pieces: list[str] = []
    starts: list[int] = []
    ends: list[int] = []
    done = 0
    for hit in spans:
        placeholder = f"[{hit.kind}]"
        pieces += [text[done : hit.span.start], placeholder]
        starts += range(done, hit.span.start)
        ends += range(done + 1, hit.span.start + 1)
        starts += [hit.span.start] * len(placeholder)
        ends += [hit.span.end] * len(placeholder)
        done = hit.span.end
    pieces.append(text[done:])
    starts += range(done, len(text))
    ends += range(done + 1, len(text) + 1)
    return Redaction("".join(pieces), tuple(starts), tuple(ends), spans)
