"""What a title of the classification says about side, dominance and trimester, and the title without it."""

from __future__ import annotations

import re
from dataclasses import dataclass

Place = tuple[int, int]

# "right eye" stands beside "bilateral" in the same list: the organ belongs to the side.
_ORGAN = r"(?:\s+(?:eye|ear|side)s?\b)?"
_PAIRS = "arms|breasts|ears|eyes|feet|hands|hips|knees|legs|lungs|sides"
_SITES = (
    r"-?\s?sided|\s+(?:upper|lower)\s+quadrant|\s+(?:heart|ventric\w*|atri\w*|bundle|coronary|main|field|in|during)\b"
)
SIDE = re.compile(
    rf"(?:\baffecting\s+)?\b(?P<side>(?:right|left|bilateral|unilateral)(?!{_SITES})|both(?=\s+(?:{_PAIRS})\b))"
    rf"(?P<dominance>\s+(?:non-?)?dominant)?{_ORGAN}",
    re.IGNORECASE,
)
UNSPECIFIED = re.compile(rf"(?:\baffecting\s+)?\bunspecified\b{_ORGAN}", re.IGNORECASE)
# "right hand" in "…, right hand" where the title for both sides has no noun: "…, bilateral".
_PHRASE = re.compile(r"(?:,|\bof)\s+(?:right|left|unspecified)\s[^,]*(?=,|$)", re.IGNORECASE)
TRIMESTER = re.compile(r"\b(first|second|third|unspecified)\s+trimester\b", re.IGNORECASE)
TRIMESTERS: dict[str, int | None] = {"first": 1, "second": 2, "third": 3, "unspecified": None}
SIDES = {"right": "right", "left": "left", "bilateral": "bilateral", "both": "bilateral", "unilateral": "unilateral"}
_LITTLE = frozenset({"of", "the", "in", "on", "eye", "ear", "orbit"})
_SAME = {"feet": "foot", "teeth": "tooth", "testes": "testis", "lid": "eyelid"}


@dataclass(frozen=True, slots=True)
class Title:
    """`side` is None where the title names none or both. `sides` and `trimesters` are where it says so."""

    text: str
    side: str | None
    dominant: bool | None
    trimester: int | None
    sides: tuple[Place, ...]
    trimesters: tuple[Place, ...]

    @property
    def core(self) -> str:
        """What is left to compare: without side and trimester, order and number of words kept, plurals evened out."""
        return core(self.text, self.sides + self.trimesters)

    @property
    def short_core(self) -> str | None:
        """The same without the noun of the side, "right hand" as well; None where that says no more than `core`."""
        phrase = _PHRASE.search(self.text)
        return core(self.text, (phrase.span(), *apart(self.sides, phrase.span()), *self.trimesters)) if phrase else None

    def unspecified_cores(self) -> list[tuple[str, tuple[Place, ...]]]:
        """What the core is if an "unspecified" stands for the side: each of them, the last first; then with its noun;
        then all of them at once. With the places that were left out."""
        words = [m.span() for m in UNSPECIFIED.finditer(self.text) if not _inside(m.span(), self.trimesters)]
        choices: list[tuple[Place, ...]] = [(place,) for place in reversed(words)]
        choices += [(m.span(),) for m in _PHRASE.finditer(self.text)] if words else []
        choices += [tuple(words)] if len(words) > 1 else []
        return [(core(self.text, (*c, *apart(self.sides, *c), *self.trimesters)), c) for c in choices]


def read(text: str) -> Title:
    """A title with two sides ("right eye …, left eye …") or two trimesters says something else by them: they stay."""
    found = list(SIDE.finditer(text))
    named = {SIDES[m["side"].lower()] for m in found}
    side = next(iter(named)) if len(named) == 1 else next(iter(named - {"unilateral"}), None)
    if len(named - {"unilateral"}) > 1:
        found, side = [], None
    dominance = next((m["dominance"].strip().lower() for m in found if m["dominance"]), None)
    trimesters = list(TRIMESTER.finditer(text))
    if len({m[1].lower() for m in trimesters}) > 1:
        trimesters = []
    return Title(
        text=text,
        side=side,
        dominant=None if dominance is None else dominance == "dominant",
        trimester=TRIMESTERS[trimesters[0][1].lower()] if trimesters else None,
        sides=tuple(m.span() for m in found),
        trimesters=tuple(m.span() for m in trimesters),
    )


def without(text: str, places: tuple[Place, ...]) -> str:
    """The title without these places (no two may overlap), tidied: "Pain in right knee" → "Pain in knee"."""
    for start, end in sorted(places, reverse=True):
        text = text[:start] + text[end:]
    text = re.sub(r"\s+", " ", text)
    text = re.sub(r"(?: ?,)+(?= ?,| ?$)", "", text).replace(" ,", ",").strip(" ,")
    text = re.sub(r"(?:,? (?:of|in|on|to|affecting|the))+$", "", text)
    return text[:1].upper() + text[1:]


def core(text: str, places: tuple[Place, ...]) -> str:
    words = re.findall(r"[^\s,;:]+", without(text, places).lower())
    if words and words[0] == "unspecified":  # "Unspecified disorder of ear" is "Disorder of ear, unspecified"
        words = words[1:] + words[:1]
    return " ".join(word for word in map(_singular, words) if word not in _LITTLE)


def _singular(word: str) -> str:
    word = word.replace("(s)", "")
    if word in _SAME:
        return _SAME[word]
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    return word[:-1] if word.endswith("s") and not word.endswith(("ss", "us", "is")) and len(word) > 3 else word


def _inside(place: Place, others: tuple[Place, ...]) -> bool:
    return any(start <= place[0] < end for start, end in others)


def apart(places: tuple[Place, ...], *others: Place) -> tuple[Place, ...]:
    return tuple(p for p in places if not any(p[0] < end and start < p[1] for start, end in others))
