"""The codes that a note of the tabular list names: "(E08-E13)", "(Z22.-)", "(B27.- with fifth character 2)"."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

CODE = r"[A-Z]\d[0-9A-Z](?:\.[0-9A-Z]{1,4})?"
RANGE = re.compile(rf"\b({CODE})(?:\.?-*\s*(?:-|to)\s*({CODE}))?")
CHARACTERS = r"([0-9A-Z](?:\s*(?:-|,|or|and)\s*[0-9A-Z])*)\s*$"
# What may narrow a range -> the pattern that the code without its dot must then match.
NARROWING = (
    (re.compile(rf"(?:fifth|5th) or (?:sixth|6th)[ -]character {CHARACTERS}"), "(?:.{{4}}|.{{5}})[{}]"),
    (re.compile(rf"(?:fifth|5th)[ -]character {CHARACTERS}"), ".{{4}}[{}]"),
    (re.compile(rf"(?:sixth|6th)[ -]character {CHARACTERS}"), ".{{5}}[{}]"),
    (re.compile(rf"(?:seventh|7th)[ -]character {CHARACTERS}"), ".{{6}}[{}]"),
    (re.compile(r"final characters -(\d+)"), ".*{}$"),
    (re.compile(r"^\.(\d+)$"), "...{}"),
    (re.compile(r"^\.(\d+-\.\d+)$"), "...(?:{})"),
)


@dataclass(frozen=True, slots=True)
class CodeRange:
    """All codes from `first` to `last` and below them (both without the dot), as named by `note`.

    `pattern`: where not empty, a regular expression that the code without its dot must match from its start.
    """

    first: str
    last: str
    note: str
    pattern: str = ""

    def matches(self, code: str) -> bool:
        """Letters sort after digits in the classification (M1A after M19), as they do here."""
        bare = _bare(code)
        if len(bare) < min(len(self.first), len(self.last)):
            return False
        inside = self.first <= bare[: len(self.first)] and bare[: len(self.last)] <= self.last
        return inside and (not self.pattern or re.match(self.pattern, bare) is not None)


@lru_cache(maxsize=1 << 16)
def _bare(code: str) -> str:
    return code.strip().upper().replace(".", "")


def parse_ranges(note: str) -> tuple[CodeRange, ...]:
    """The ranges that a note names, in its parentheses or else in its words.

    A range with a condition that this cannot express ("with ketoacidosis") is left out: too wide would be wrong.
    """
    inner = [part for part in re.findall(r"\(([^()]*)\)?", note) if RANGE.search(part)]
    return tuple(item for part in inner or [note] for item in _parse(part, note))


def _parse(text: str, note: str) -> list[CodeRange]:
    named, _, condition = text.partition(" with ")
    pattern = ""
    if condition and RANGE.search(named):
        narrowed = _narrow(condition.strip())
        if narrowed is None:
            return []
        pattern = narrowed
    pairs = [
        (m[1].replace(".", ""), (m[2] or m[1]).replace(".", "")) for m in RANGE.finditer(named if pattern else text)
    ]
    return [CodeRange(first, last, note, pattern) for first, last in pairs]


def _narrow(condition: str) -> str | None:
    for known, pattern in NARROWING:
        if match := known.search(condition):
            return pattern.format(_alternatives(match[1]))
    return None


def _alternatives(text: str) -> str:
    """ "1-4 or 6" -> "1-46" (for a character class); "51-.52" -> "51|52"; "23" -> "23"."""
    if "-." in text:
        first, last = text.split("-.")
        return "|".join(str(n) for n in range(int(first), int(last) + 1))
    return text if text.isdigit() else re.sub(r"\s|,|or|and", "", text)
