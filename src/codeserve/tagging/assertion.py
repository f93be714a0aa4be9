"""What a note says of an entity: present, absent, possible, historical, family, planned. ConText (Harkema et al. 2009).

Triggers, terminators and the rules of sections are data (data/assertion/*.tsv). A trigger reaches entities of its kinds
in its own sentence, forward or backward, until a terminator; of several that reach one entity the first in
`PRECEDENCE` counts. No maintained library fits: medspaCy pins spaCy 3.7, negspacy only negates.
"""

from __future__ import annotations

import re
import sys
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from typing import Generic, TypeVar

from codeserve.notes.document import Document
from codeserve.notes.spans import Span
from codeserve.tagging.entities import Assertion, Entity, EntityKind

PRECEDENCE = (Assertion.ABSENT, Assertion.FAMILY, Assertion.PLANNED, Assertion.POSSIBLE, Assertion.HISTORICAL)
PSEUDO = "pseudo"
EVENT = "event"
# How many words may stand between a trigger and the entity that it reaches.
REACH = {"sentence": 1_000, "list": 7, "next": 2}
JOINED = re.compile(
    r"(\s|[,/&+()]|\b(and|or|nor|and/or|versus|vs|any|other|new|a|an|the|of|his|her|their|no|as well as|including"
    r"|such as|significant|recent|repeat|associated|acute|chronic|right|left|bilateral|mild|severe|worsening|also)\b)*",
    re.IGNORECASE,
)

Rule = TypeVar("Rule")


@dataclass(frozen=True, slots=True)
class Trigger:
    category: str
    forward: bool
    scope: str
    kinds: frozenset[str]


@dataclass(frozen=True, slots=True)
class Terminator:
    categories: frozenset[str]

    def ends(self, category: str) -> bool:
        return category in self.categories or "*" in self.categories


class Phrases(Generic[Rule]):
    """Finds which rules' phrases stand where: leftmost, then longest (all of that length), never overlapping.

    Phrases are in lower case and searched in lower case: three times as fast as a search without case.
    """

    def __init__(self, rows: Sequence[tuple[str, Rule]]) -> None:
        self._rules = [(re.compile(_pattern(phrase)), rule) for phrase, rule in rows]
        self._any = re.compile(_pattern("|".join(phrase for phrase, _ in rows)))

    def find(self, text: str) -> Iterator[tuple[Span, Rule]]:
        text = _lower(text)
        position = 0
        while found := self._any.search(text, position):
            start = found.start()
            here = [(m.end(), rule) for pattern, rule in self._rules if (m := pattern.match(text, start))]
            longest = max(end for end, _ in here)
            yield from ((Span(start, longest), rule) for end, rule in here if end == longest)
            position = max(longest, start + 1)


def _lower(text: str) -> str:
    """In lower case and of the same length: a few capitals outside English would become two characters."""
    lower = text.lower()
    return lower if len(lower) == len(text) else "".join(c.lower() if len(c.lower()) == 1 else c for c in text)


# Neither end of a phrase may lie inside a word.
EDGE = r"(?:(?<!\w)|(?!\w))"


def _pattern(phrase: str) -> str:
    """A space in a phrase stands for any white space, " ?" for none or any."""
    spaced = phrase.replace(" ?", r"\s*").replace(" ", r"\s+")
    return f"{EDGE}(?:{spaced}){EDGE}"


def _rows(name: str) -> list[list[str]]:
    source = (files("codeserve") / "data" / "assertion" / f"{name}.tsv").read_text(encoding="utf-8")
    lines = [line.split("\t") for line in source.splitlines() if line and not line.startswith("#")]
    return lines[1:]


@dataclass(frozen=True)
class Rules:
    triggers: Phrases[Trigger]
    terminators: Phrases[Terminator]
    events: re.Pattern[str]
    defaults: dict[tuple[str, str], Assertion]

    def default(self, entity: Entity) -> Assertion | None:
        """What the section alone says of an entity of this kind."""
        return self.defaults.get((entity.section.value, entity.kind.value))


@cache
def load_rules() -> Rules:
    """The shipped rules, read once."""
    triggers = [
        (phrase, Trigger(category, direction == "forward", scope, frozenset(kinds.split(","))))
        for category, direction, scope, kinds, phrase in _rows("triggers")
    ]
    terminators = [
        (phrase, Terminator(frozenset(categories.split(",")))) for categories, phrase in _rows("terminators")
    ]
    events = re.compile(_pattern("|".join(phrase for [phrase] in _rows("events"))))
    defaults = {(section, kind): Assertion(assertion) for section, kind, assertion in _rows("sections")}
    return Rules(Phrases(triggers), Phrases(terminators), events, defaults)


def assert_entities(document: Document, entities: Sequence[Entity], sentences: Sequence[Span]) -> tuple[Entity, ...]:
    """The entities in order, each with its section and assertion.

    `entities` do not overlap; `sentences` are in order and apart. An entity belongs to the sentence that it starts in;
    one outside all sentences is judged by its section alone. Anatomy asserts nothing and stays present.
    """
    rules = load_rules()
    placed = sorted(
        (replace(entity, section=document.section_at(entity.span.start).kind) for entity in entities),
        key=lambda entity: entity.span,
    )
    starts = [entity.span.start for entity in placed]
    said: dict[int, set[Assertion]] = {}
    for sentence in sentences:
        within = range(bisect_left(starts, sentence.start), bisect_right(starts, sentence.end - 1))
        if within:
            for i, assertions in _said(document.text, sentence, [placed[i] for i in within], rules):
                said[within[i]] = assertions
    return tuple(
        replace(entity, assertion=_judged(entity, said.get(i, set()), rules)) for i, entity in enumerate(placed)
    )


def _judged(entity: Entity, said: set[Assertion], rules: Rules) -> Assertion:
    if entity.kind is EntityKind.ANATOMY:
        return Assertion.PRESENT
    default = rules.default(entity)
    return next((a for a in PRECEDENCE if a in said or a is default), Assertion.PRESENT)


def _said(text: str, sentence: Span, entities: Sequence[Entity], rules: Rules) -> Iterator[tuple[int, set[Assertion]]]:
    """For each entity of a sentence, by its index, what the triggers around it say."""
    words = sentence.of(text)
    spans = [entity.span.shift(-sentence.start) for entity in entities]
    stops = [(place, rule) for place, rule in rules.terminators.find(words) if not _belongs(place, spans)]
    triggers = [(place, rule) for place, rule in rules.triggers.find(words) if not _belongs(place, spans)]
    limits = _Limits(stops, triggers)
    reached: list[set[Assertion]] = [set() for _ in entities]
    for place, trigger in triggers:
        if trigger.category == PSEUDO:
            continue
        meant = (i for i in _ahead(place, trigger.forward, spans) if _is_meant(entities[i], trigger, rules))
        for i in _reach(words, place, trigger, meant, spans, limits.of(place, trigger)):
            reached[i].add(Assertion(trigger.category))
    return iter(enumerate(reached))


def _belongs(place: Span, spans: Sequence[Span]) -> bool:
    """Whether a phrase stands inside an entity; one that opens the entity ("suspected fracture") speaks of it."""
    before = bisect_left(spans, place.start, key=_start)
    return before > 0 and place.start < spans[before - 1].end


def _is_meant(entity: Entity, trigger: Trigger, rules: Rules) -> bool:
    if entity.kind.value in trigger.kinds:
        return True
    eventful = EVENT in trigger.kinds and entity.kind is EntityKind.PROBLEM
    return eventful and bool(rules.events.search(_lower(entity.text)))


class _Limits:
    """Where a trigger's scope ends: at the nearest terminator, or where the same trigger starts anew."""

    def __init__(self, stops: Sequence[tuple[Span, Terminator]], triggers: Sequence[tuple[Span, Trigger]]) -> None:
        self._stops = {name: [span for span, stop in stops if stop.ends(name)] for name in {*PRECEDENCE}}
        self._same: dict[Trigger, list[Span]] = {}
        for span, trigger in triggers:
            self._same.setdefault(trigger, []).append(span)

    def of(self, place: Span, trigger: Trigger) -> int:
        """The offset that no reached entity starts at or after; backward, that none ends at or before."""
        bounds = (self._stops[Assertion(trigger.category)], self._same[trigger])
        if trigger.forward:
            found = (spans[i : i + 1] for spans in bounds for i in [bisect_left(spans, place.end, key=_start)])
            return min((span.end for some in found for span in some), default=sys.maxsize)
        found = (spans[max(i - 1, 0) : i] for spans in bounds for i in [bisect_right(spans, place.start, key=_end)])
        return max((span.start for some in found for span in some), default=-1)


def _start(span: Span) -> int:
    return span.start


def _end(span: Span) -> int:
    return span.end


def _ahead(place: Span, forward: bool, spans: Sequence[Span]) -> Iterator[int]:
    """The entities on the trigger's side, nearest first; forward, one that the trigger opens counts."""
    if forward:
        first = bisect_left(spans, place.start, key=_start)
        return (i for i in range(first, len(spans)) if spans[i].end > place.end)
    last = bisect_right(spans, place.start, key=_end)
    return iter(range(last - 1, -1, -1))


def _reach(
    words: str, place: Span, trigger: Trigger, meant: Iterable[int], spans: Sequence[Span], limit: int
) -> Iterator[int]:
    """Those of the entities `meant`, nearest first, that lie in a trigger's scope."""
    last: Span | None = None
    for i in meant:
        span = spans[i]
        if span.start >= limit if trigger.forward else span.end <= limit:
            return
        if last is None and not _near(words, place, span, trigger):
            return
        if last is not None and not _goes_on(words, last, span, trigger.scope):
            return
        yield i
        last = span


def _near(words: str, place: Span, span: Span, trigger: Trigger) -> bool:
    between = words[place.end : span.start] if trigger.forward else words[span.end : place.start]
    if trigger.scope == "next" and trigger.forward and "," in between:
        return False
    return len(between.split()) <= REACH[trigger.scope]


def _goes_on(words: str, last: Span, span: Span, scope: str) -> bool:
    """Whether a scope that reached `last` also reaches the next entity."""
    if scope != "list":
        return scope == "sentence"
    first, second = sorted((last, span))
    return JOINED.fullmatch(words, first.end, max(first.end, second.start)) is not None
