"""Two answers about one note held against each other: the same, or which versions differ and what became of it. Pure.

Answers are the JSON of ExtractResponse.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

Verdict = Literal["same", "explained", "unexplained"]
Answer = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Comparison:
    """`versions`: name → (then, now), those that differ; `differences`: what differs in the answer, in words without
    any of the note."""

    versions: Mapping[str, tuple[str, str]]
    differences: tuple[str, ...]

    @property
    def verdict(self) -> Verdict:
        """Unexplained: the same versions gave another answer."""
        if not self.differences:
            return "same"
        return "explained" if self.versions else "unexplained"

    @property
    def told(self) -> tuple[str, ...]:
        changed = (f"{name} was {then}, is {now}" for name, (then, now) in self.versions.items())
        return (*changed, *self.differences)


def compare(then: Answer, now: Answer) -> Comparison:
    return Comparison(_versions(then, now), tuple(_differences(then, now)))


def _versions(then: Answer, now: Answer) -> dict[str, tuple[str, str]]:
    old, new = ({"model set": one["model"]["name"], **one["model"]["versions"]} for one in (then, now))
    names = sorted({*old, *new})
    return {n: (old.get(n, "none"), new.get(n, "none")) for n in names if old.get(n) != new.get(n)}


def _differences(then: Answer, now: Answer) -> Iterator[str]:
    if then["note_sha256"] != now["note_sha256"]:
        yield "the note is another one"
    old, new = _lines(then), _lines(now)
    for key in sorted(old.keys() - new.keys()):
        yield f"{' '.join(key[:2])} is not suggested any more"
    for key in sorted(new.keys() - old.keys()):
        yield f"{' '.join(key[:2])} is suggested now"
    for key in sorted(old.keys() & new.keys()):
        for name in old[key]:
            if old[key][name] != new[key][name]:
                yield f"{' '.join(key[:2])}: {name} was {_shown(old[key][name])}, is {_shown(new[key][name])}"
    yield from _of_whole(then, now)


def _of_whole(then: Answer, now: Answer) -> Iterator[str]:
    if then["route"]["decision"] != now["route"]["decision"]:
        yield f"route was {then['route']['decision']}, is {now['route']['decision']}"
    old, new = (sorted(f"{f['rule']} {' '.join(f['codes'])}".strip() for f in one["findings"]) for one in (then, now))
    if old != new:
        gone, come = [f for f in old if f not in new], [f for f in new if f not in old]
        yield f"findings gone: {', '.join(gone) or 'none'}; new: {', '.join(come) or 'none'}"


def _lines(answer: Answer) -> dict[tuple[str, str, int], dict[str, Any]]:
    """By kind, code and how many of that code came before; of each what a coder would see."""
    found: dict[tuple[str, str, int], dict[str, Any]] = {}

    def put(kind: str, one: Answer, **more: Any) -> None:
        number = sum(key[:2] == (kind, one["code"]) for key in found)
        evidence = [[span["start"], span["end"]] for span in one.get("evidence", ())]
        found[kind, one["code"], number] = {"confidence": one.get("confidence"), "evidence": evidence, **more}

    for one in answer["diagnosis_codes"]:
        put("diagnosis", one, sequence=one["sequence"])
    for one in answer["procedure_codes"]:
        put("procedure", one, modifiers=one["modifiers"], units=one["units"])
    if visit := answer.get("em"):
        put("visit", visit, modifiers=visit["modifiers"], level=visit["level"], method=visit["method"])
        for one in visit["also"]:
            put("beside the visit", one, modifiers=one["modifiers"], units=one["units"])
    return found


def _shown(value: Any) -> str:
    return ", ".join(map(str, value)) or "none" if isinstance(value, list) else str(value)
