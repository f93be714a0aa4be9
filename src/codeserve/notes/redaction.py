"""Direct identifiers out of the text before a model or a log sees it, with a map back to the original offsets.

Recognition is Presidio's pattern recognisers over data/redaction.tsv and over the identifiers that the request names
(HIPAA Safe Harbor, 45 CFR 164.514(b)(2)). A pattern's named group is what goes; without one the whole match does.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

from presidio_analyzer import Pattern, PatternRecognizer

from codeserve.notes.names import NameFinder
from codeserve.notes.spans import Span

FLAGS = re.UNICODE
MIN_LENGTH = 2  # a single letter or digit identifies nobody, and taking it out would take the note apart
MARKS = "[\u0300-\u036f]*"
# "Bell's palsy" in the note of a patient of that name is still a palsy.
_EPONYM = (
    r"(?:['’]?s)?[ -](?:palsy|disease|syndrome|sign|cyst|fracture|contracture|tumou?r|lymphoma|thyroiditis|"
    r"o?esophagus|phenomenon|score|criteria|reflex|test|maneuver|position|catheter|procedure|level|class|stage)\b"
)
_EPONYM_BEHIND = re.compile(_EPONYM, re.IGNORECASE)


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
        known = [hit.span for hit in found if hit.kind == "NAME"]
        found += (Redacted(span, "NAME") for span in NameFinder(text).find(known, _EPONYM_BEHIND))
        return _replace(text, _disjoint(found))

    def _by_pattern(self, text: str) -> Iterator[Redacted]:
        for kind, recognizer, pattern in self._patterns:
            for hit in recognizer.analyze(text, [kind]) or ():
                match = pattern.match(text, hit.start)
                whole = Span(hit.start, hit.end)
                group = match.lastgroup if match else None
                yield Redacted(Span(*match.span(group)) if match and group else whole, kind)


def _rows(name: str) -> list[str]:
    return files("codeserve").joinpath("data", name).read_text(encoding="utf-8").splitlines()[1:]


def _read_patterns() -> Iterator[tuple[str, PatternRecognizer, re.Pattern[str]]]:
    """The rows of the table; a row `$NAME` names a part that later rows write as `{NAME}`."""
    parts: dict[str, str] = {}
    for number, line in enumerate(_rows("redaction.tsv"), 2):
        kind, written = line.split("\t")
        expression = re.sub(r"\{([A-Z_]+)\}", lambda use: parts[use[1]], written)
        if kind.startswith("$"):
            parts[kind[1:]] = expression
            continue
        pattern = Pattern(name=f"{kind}:{number}", regex=expression, score=1.0)
        recognizer = PatternRecognizer(
            supported_entity=kind, patterns=[pattern], name=pattern.name, global_regex_flags=FLAGS
        )
        yield kind, recognizer, re.compile(expression, FLAGS)


@lru_cache(maxsize=1)
def _common() -> frozenset[str]:
    """Names that are words of the language too: gone only where they are capitalised."""
    return frozenset(_rows("redaction_words.tsv"))


def _named(text: str, identifiers: Sequence[str]) -> Iterator[Redacted]:
    """The request's own identifiers, and the parts of a name that stand alone."""
    folded = _fold(text)
    for identifier in identifiers:
        kind = "ID" if any(c.isdigit() for c in identifier) else "NAME"
        parts = re.split(r"[\s,;]+", _fold(unicodedata.normalize("NFC", identifier)))
        whole = [word for part in parts for word in re.findall(r"\w+", part)]
        between = r"[\W_]{0,4}" if kind == "ID" else r"[\W_]{1,6}"
        yield from _matches(text, folded, whole, kind, between)
        if kind == "NAME":
            pieces = {*parts, *(piece for part in parts for piece in part.split("-"))} if whole[1:] else set()
            for piece in sorted(pieces):
                yield from _matches(text, folded, re.findall(r"\w+", piece), kind, r"[\W_]{0,2}")


def _matches(text: str, folded: str, words: Sequence[str], kind: str, between: str) -> Iterator[Redacted]:
    if sum(map(len, words)) < MIN_LENGTH or _absent(words, folded):
        return
    common = len(words) == 1 and (words[0].lower() in _common() or len(words[0]) <= MIN_LENGTH)
    before, after = _around(common, len(words) == 1 and kind == "NAME")
    if len(words) == 1 and folded.isascii() and words[0].isascii():
        spans = _plain(folded, words[0], before, after)
    else:
        marks = "" if folded.isascii() else MARKS
        spelt = between.join(marks.join(map(re.escape, word)) + marks for word in words)
        whole = re.compile(before.pattern + spelt + after.pattern, re.IGNORECASE | FLAGS)
        spans = (Span(*match.span()) for match in whole.finditer(folded))
    yield from (Redacted(span, kind) for span in spans if not common or text[span.start].isupper())


@lru_cache(maxsize=4)
def _around(common: bool, name: bool) -> tuple[re.Pattern[str], re.Pattern[str]]:
    """What must stand before and behind: neither a part of a word ("X-ray", "don't") nor, for a name's single word, of
    an eponym."""
    before = r"(?<!\w)" + (r"(?<![Xx]-)" if common else "")
    after = r"(?!\w|['’](?!s\b)[^\W\d_])" + (rf"(?!{_EPONYM})" if name else "")
    return re.compile(before, re.IGNORECASE | FLAGS), re.compile(after, re.IGNORECASE | FLAGS)


def _plain(text: str, word: str, before: re.Pattern[str], after: re.Pattern[str]) -> Iterator[Span]:
    """Where an ASCII word stands in ASCII text, in either case: quicker than an expression is compiled."""
    lower, sought = text.lower(), word.lower()
    start = lower.find(sought)
    while start >= 0:
        end = start + len(sought)
        stands = before.match(text, start) and after.match(text, end)
        if stands:
            yield Span(start, end)
        start = lower.find(sought, end if stands else start + 1)


def _absent(words: Sequence[str], folded: str) -> bool:
    """Whether a word is surely not there: an expression takes longer to compile than to search. Only of ASCII, where
    letters of either case are alike in one way."""
    lower = folded.lower() if folded.isascii() else None
    return lower is not None and any(word.isascii() and word.lower() not in lower for word in words)


def _fold(text: str) -> str:
    """Letters without their accents, one character for one, so that `Nunez` finds `Núñez`."""
    if text.isascii():
        return text
    return text.translate({ord(c): unicodedata.normalize("NFD", c)[0] for c in set(text) if not c.isascii()})


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
