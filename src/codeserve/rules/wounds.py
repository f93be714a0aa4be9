"""Closure of wounds and excision of skin lesions: class, part of the body and length decide the code.

Lengths of one class and one group of parts are added; a layered closure of an excision is billed beside it, a simple
one is not; the diameter of an excision is the lesion's with the margin on both sides.
Source: CPT guidelines, repair (closure) and excision of lesions; tables wound_words.tsv, wound_areas.tsv,
wound_codes.tsv, procedure_sizes.tsv.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from functools import lru_cache

from codeserve.rules.reading import pattern
from codeserve.rules.sizes import fitting
from codeserve.rules.tables import rows
from codeserve.rules.told import Told

_IN_CM = {"cm": 1.0, "centimeter": 1.0, "mm": 0.1, "millimeter": 0.1, "inch": 2.54, "inches": 2.54}
_COUNT = {"two": 2, "2": 2, "three": 3, "3": 3, "four": 4, "4": 4, "both": 2}
_MEASURE = re.compile(
    r"(?:\b(?P<count>two|three|four|both|[234])\s+(?:\w+\s+)?)?(?<![\d.])(?P<one>\d+(?:\.\d+)?)"
    r"(?:\s*(?:cm|mm)?\s*(?:x|by)\s*(?P<other>\d+(?:\.\d+)?))*\s*-?\s*(?P<unit>cm|mm|centimeter|millimeter|inches|inch)",
    re.IGNORECASE,
)
_MARGIN = re.compile(
    r"(?P<one>\d+(?:\.\d+)?)\s*-?\s*(?P<unit>cm|mm)(?: (?:of|clear|surgical|peripheral))* margins?"
    r"|margins? (?:of |was |were |: ?)?(?P<two>\d+(?:\.\d+)?)\s*(?P<unit2>cm|mm)|margin: (?P<three>\d+(?:\.\d+)?)\s*cm",
    re.IGNORECASE,
)
_DIAMETER = re.compile(
    r"(?:excised|excision|total|final)(?: lesion)? (?:diameter|size)(?: with margins)?[^.\d]{0,20}"
    r"(?P<one>\d+(?:\.\d+)?)\s*(?P<unit>cm|mm)",
    re.IGNORECASE,
)
Found = tuple[str, Told]


def closures(told: Sequence[Told]) -> Iterator[Found]:
    """Codes of the wounds that were closed, each with the sentence that says so."""
    acts = [one for one in told if one.here and _says("closes", one.kept) and not _says("not_closes", one.kept)]
    first = next((one for one in acts if one.performed or _says("closed", one.kept)), None)
    if first is None:
        return
    excised = bool(list(excisions(told)))
    if not excised and not _says("wound", first.note):
        return
    lengths: dict[str, float] = defaultdict(float)
    for work, area, size in set(_wounds(first, excised)):
        if not (excised and work == "simple"):
            lengths[_family(work, area)] += size
    for family, size in sorted(lengths.items()):
        if code := fitting(family, round(size, 1)):
            yield code, first


def excisions(told: Sequence[Told]) -> Iterator[Found]:
    """The code of a skin lesion that was cut out."""
    acts = [one for one in told if one.here and _says("excises", one.kept) and not _says("not_excises", one.kept)]
    first = next(
        (o for o in acts if (o.performed or _says("excised", o.kept)) and _says("lesion", f"{o.kept}\n{o.block}")), None
    )
    if first is None:
        return
    work = "malignant" if _says("malignant", first.note) else "benign"
    size = _excised(first.block)
    area = _area(first.kept) or _area(first.block) or _area(first.note) or "limb"
    if size and (code := fitting(_family(work, area), round(size, 1))):
        yield code, first


def _wounds(act: Told, excised: bool) -> Iterator[tuple[str, str, float]]:
    """Class, part and length of each wound, from the nearest place that tells lengths."""
    whole = _class(act.block)
    for place in (act.block, act.note):
        found = []
        for sentence in _sentences(place):
            if not _says("length" if excised else "measured", sentence):
                continue
            work = _class(sentence) if _says("works", sentence) else whole
            for start, size in _measures(sentence):
                area = _area(sentence, start) or _area(act.block) or _area(act.note) or "limb"
                found.append((work, area, size))
        if found:
            yield from found
            return


def _sentences(place: str) -> Iterator[str]:
    for line in place.splitlines():
        yield from (part for part in re.split(r"(?<=[a-z)])\.\s+|;\s|(?<=\d)\.\s+(?=[A-Z])", line) if part.strip())


def _measures(sentence: str) -> Iterator[tuple[int, float]]:
    """Where each length of a sentence stands, and its centimetres; of "3 x 1 cm" the longer."""
    for match in _MEASURE.finditer(sentence):
        if pattern(r"\b(?:margins?|depth|deep|diameter)\b").search(sentence[match.end() : match.end() + 12]):
            continue
        size = max(float(match["one"]), float(match["other"] or 0)) * _IN_CM[match["unit"].lower()]
        yield match.start(), size * _COUNT.get((match["count"] or "").lower(), 1)


def _excised(block: str) -> float | None:
    """The diameter cut out: as stated, or the lesion's with its margins; in centimetres."""
    if stated := _DIAMETER.search(block):
        return float(stated["one"]) * _IN_CM[stated["unit"].lower()]
    lesions = [size for sentence in _sentences(block) if _says("lesion", sentence) for _, size in _measures(sentence)]
    if not lesions:
        return None
    margin = _MARGIN.search(block)
    if margin is None:
        return lesions[0]
    wide = float(margin["one"] or margin["two"] or margin["three"])
    return lesions[0] + 2 * wide * _IN_CM[(margin["unit"] or margin["unit2"] or "cm").lower()]


def _class(said: str) -> str:
    if _says("complex", said):
        return "complex"
    return "intermediate" if _says("layered", said) and not _says("single_layer", said) else "simple"


def _area(said: str, near: int | None = None) -> str | None:
    """The part of the body that is named first, or nearest to a place."""
    found = [(m.start(), area) for area, words in _areas() for m in words.finditer(said)]
    if not found:
        return None
    return min(found, key=lambda one: one[0] if near is None else abs(one[0] - near))[1]


@lru_cache(maxsize=1)
def _areas() -> tuple[tuple[str, re.Pattern[str]], ...]:
    return tuple((row["area"], pattern(rf"\b(?:{row['words']})\b")) for row in rows("wound_areas.tsv"))


def _family(work: str, area: str) -> str:
    """The family of procedure_sizes.tsv."""
    return next(r["family"] for r in rows("wound_codes.tsv") if r["work"] == work and area in r["areas"].split("|"))


def _says(kind: str, said: str) -> bool:
    return any(one.search(said) for one in _words(kind))


@lru_cache(maxsize=32)
def _words(kind: str) -> tuple[re.Pattern[str], ...]:
    return tuple(pattern(row["pattern"]) for row in rows("wound_words.tsv") if row["kind"] == kind)
