"""Recapture: lasting conditions of earlier years that this year's codes do not show, model by model.

Not asked about: acute events (data/rules/hcc_acute.tsv), what a higher category of this year covers, what this year
says anew in another degree (hcc_answered.tsv) or as history (history_codes.tsv).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from codeserve.rules.hcc import below, lasting
from codeserve.rules.risk_adjustment import MODELS, Person, calculate
from codeserve.rules.tables import rows

Open = dict[str, frozenset[str]]


@dataclass(frozen=True, slots=True)
class Recapture:
    """`codes` are the earlier ones, the one that changes the score most first; `lasting` what each stands for now.
    `categories` and `change` (of the raw factor, were that one documented again) by model; a model for which nothing
    is open is left out."""

    codes: tuple[str, ...]
    lasting: tuple[str, ...]
    categories: Mapping[str, tuple[str, ...]]
    change: Mapping[str, float]


def recapture(codes: Sequence[str], prior: Iterable[str], person: Person) -> tuple[Recapture, ...]:
    """In the order of `prior`. Codes of one category make one question."""
    asked = {code: kept for code in dict.fromkeys(prior) if (kept := lasting(code)) and not _answered(kept, codes)}
    open_by_code: dict[str, Open] = {code: {} for code in asked}
    for model in MODELS:
        for code, found in _open(model, codes, asked, person).items():
            open_by_code[code][model] = found
    return tuple(_one(group, asked, open_by_code, codes, person) for group in _groups(open_by_code))


def _answered(code: str, codes: Sequence[str]) -> bool:
    """Whether this year tells of the same condition in another degree, or as one that is over."""
    for row in rows("hcc_answered.tsv"):
        if code.startswith(tuple(row["earlier"].split("|"))) and _any(codes, row["now"].split("|")):
            return True
    fitting = [row for row in rows("history_codes.tsv") if code.startswith(row["current"])]
    over = max(fitting, key=lambda row: len(row["current"]))["history"] if fitting else ""
    return bool(over) and _any(codes, [over])


def _any(codes: Sequence[str], stems: Iterable[str]) -> bool:
    return any(code.startswith(tuple(stems)) for code in codes)


def _open(model: str, codes: Sequence[str], asked: Mapping[str, str], person: Person) -> dict[str, frozenset[str]]:
    """The categories of each earlier code that neither this year's nor a higher one of the earlier codes covers."""
    shown = calculate(model, codes, person).held
    before = calculate(model, asked.values(), person)
    covered = shown | _below(model, shown) | _below(model, before.held)
    left = {code: frozenset(before.by_code.get(now, ())) - covered for code, now in asked.items()}
    return {code: found for code, found in left.items() if found}


def _below(model: str, held: Iterable[str]) -> frozenset[str]:
    return frozenset().union(*(below(category, MODELS[model]) for category in held))


def _groups(open_by_code: Mapping[str, Open]) -> list[tuple[str, ...]]:
    """Codes with an open category in common, in any model, directly or through others."""
    groups: list[tuple[set[tuple[str, str]], list[str]]] = []
    for code, by_model in open_by_code.items():
        keys = {(model, category) for model, found in by_model.items() for category in found}
        if not keys:
            continue
        joined = [group for group in groups if group[0] & keys]
        groups = [group for group in groups if not group[0] & keys]
        held = [one for group in joined for one in group[1]]
        groups.append((keys.union(*(group[0] for group in joined)), [*held, code]))
    order = list(open_by_code)
    listed = [tuple(sorted(group[1], key=order.index)) for group in groups]
    return sorted(listed, key=lambda group: order.index(group[0]))


def _one(
    group: tuple[str, ...],
    asked: Mapping[str, str],
    open_by_code: Mapping[str, Open],
    codes: Sequence[str],
    person: Person,
) -> Recapture:
    changes = {code: _changes(asked[code], codes, person) for code in group}
    ranked = sorted(group, key=lambda code: [-changes[code][model] for model in MODELS])
    by_model = {model: [open_by_code[code].get(model, frozenset()) for code in group] for model in MODELS}
    categories = {model: tuple(sorted(frozenset().union(*found), key=int)) for model, found in by_model.items()}
    return Recapture(
        tuple(ranked),
        tuple(asked[code] for code in ranked),
        {model: found for model, found in categories.items() if found},
        {model: changes[ranked[0]][model] for model, found in categories.items() if found},
    )


def _changes(code: str, codes: Sequence[str], person: Person) -> dict[str, float]:
    return {
        model: round(calculate(model, (*codes, code), person).score - calculate(model, codes, person).score, 3)
        for model in MODELS
    }
