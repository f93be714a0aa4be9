"""All figures of an evaluation, as plain data that JSON can hold."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import mean, median
from typing import Any

from codeserve.codesets import CodeSets
from codeserve.evaluation.calibration import BINS, calibration
from codeserve.evaluation.runner import Outcome
from codeserve.evaluation.scores import as_dict, counts, difference, score
from codeserve.evaluation.services import services
from codeserve.evaluation.stages import Fate, excess, fate, retrieved
from codeserve.rules.results import Diagnosis, Role

RANKS = (1, 5, 20)
Row = tuple[int, int, int]
Pick = Callable[[str], bool]


@dataclass(frozen=True, slots=True)
class Judged:
    """A note's codes by what they count for: `gold` billable, `categories` gold that is not, `suggested` without status
    codes, which are scored apart; a suggestion that the gold allows as status counts neither way."""

    outcome: Outcome
    gold: tuple[str, ...]
    categories: tuple[str, ...]
    suggested: tuple[Diagnosis, ...]
    status: tuple[Diagnosis, ...]

    @property
    def codes(self) -> tuple[str, ...]:
        return tuple(d.code for d in self.suggested)

    def exact(self, pick: Pick = lambda _: True) -> Row:
        return counts({c for c in self.gold if pick(c)}, {c for c in self.codes if pick(c)})

    def three(self) -> Row:
        """By category, the gold categories among them."""
        return counts({c[:3] for c in (*self.gold, *self.categories)}, {c[:3] for c in self.codes})


def judge(outcome: Outcome, codesets: CodeSets) -> Judged:
    gold = outcome.note.gold
    billable = tuple(c for c in dict.fromkeys(gold.codes) if codesets.concepts.of(c))
    own = [d for d in outcome.coded.diagnoses if d.role is not Role.STATUS]
    return Judged(
        outcome=outcome,
        gold=billable,
        categories=tuple(c for c in dict.fromkeys(gold.codes) if c not in billable),
        suggested=tuple(d for d in own if d.code in gold.codes or d.code not in gold.status),
        status=tuple(d for d in outcome.coded.diagnoses if d.role is Role.STATUS),
    )


def summarise(
    outcomes: Sequence[Outcome], ablated: Mapping[str, Sequence[Outcome]], codesets: CodeSets
) -> dict[str, Any]:
    """Everything that the report shows. `ablated`: outcomes of the same notes by the name of the chain."""
    notes = [judge(outcome, codesets) for outcome in outcomes]
    return {
        "notes": len(notes),
        "gold_codes": sum(len(n.gold) for n in notes),
        "gold_categories": sum(len(n.categories) for n in notes),
        "diagnoses": _diagnoses(notes),
        "groups": _groups(notes),
        "per_note_f1": _spread([_f1(n.exact()) for n in notes]),
        "fates": _fates(notes, codesets),
        "excess": dict(
            Counter(
                excess(c, n.gold, codesets.concepts) for n in notes for c in n.codes if c not in n.gold
            ).most_common()
        ),
        "retrieval": _retrieval(notes, codesets),
        "calibration": _calibration(notes),
        "services": services([o for o in outcomes if o.note.gold.services is not None]),
        "ablations": {
            name: _ablation(notes, [judge(outcome, codesets) for outcome in other]) for name, other in ablated.items()
        },
        "decided_by": dict(Counter(a.answer.decided_by for o in outcomes for a in o.asked)),
    }


def decisions(outcomes: Sequence[Outcome], codesets: CodeSets) -> list[dict[str, Any]]:
    """A row a suggestion with what decided it and whether it was right: what a calibrator is fitted on. No text."""
    return [
        {
            "id": n.outcome.note.id,
            "part": n.outcome.note.part,
            "code": d.code,
            "confidence": d.confidence,
            "decided_by": d.decided_by,
            "role": d.role.value,
            "features": dict(d.features),
            "right": d.code in n.gold,
            "category_right": d.code[:3] in {c[:3] for c in n.outcome.note.gold.codes},
        }
        for n in (judge(outcome, codesets) for outcome in outcomes)
        for d in n.suggested
    ]


def _diagnoses(notes: Sequence[Judged]) -> dict[str, Any]:
    return {
        "exact": as_dict(score([n.exact() for n in notes])),
        "three_characters": as_dict(score([n.three() for n in notes])),
        "exact without external causes": as_dict(score([n.exact(lambda c: c[0] not in "VWXY") for n in notes])),
        "external causes": as_dict(score([n.exact(lambda c: c[0] in "VWXY") for n in notes])),
        "status codes": as_dict(
            score([counts(set(n.outcome.note.gold.status), {d.code for d in n.status}) for n in notes])
        ),
    }


def _groups(notes: Sequence[Judged]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for label, of in (("part", lambda n: n.outcome.note.part), ("kind", lambda n: n.outcome.note.kind)):
        for value in sorted({of(n) for n in notes} - {""}):
            mine = [n for n in notes if of(n) == value]
            found[f"{label} {value}"] = {
                "notes": len(mine),
                "exact": as_dict(score([n.exact() for n in mine])),
                "three_characters": as_dict(score([n.three() for n in mine])),
            }
    return found


def _fates(notes: Sequence[Judged], codesets: CodeSets) -> dict[str, int]:
    seen = Counter(fate(c, n.codes, n.outcome.asked, codesets.concepts) for n in notes for c in n.gold)
    return {kind.value: seen[kind] for kind in Fate}


def _retrieval(notes: Sequence[Judged], codesets: CodeSets) -> dict[str, Any]:
    """Of the gold codes but external causes, which the rules find without candidates."""
    found = [retrieved(c, n.outcome.asked, codesets.concepts) for n in notes for c in n.gold if c[0] not in "VWXY"]
    tagged = [r for r in found if r.tagged]
    among = [r for r in found if r.rank is not None]
    return {
        "codes": len(found),
        "tagged": len(tagged),
        **{f"recall@{k} of tagged": _share(r.rank is not None and r.rank < k for r in tagged) for k in RANKS},
        **{f"recall@{k} of all": _share(r.rank is not None and r.rank < k for r in found) for k in RANKS},
        "chosen of those among the candidates": _share(r.chosen for r in among),
    }


def _calibration(notes: Sequence[Judged]) -> dict[str, Any] | None:
    pairs = [(d.confidence, d.code in n.gold) for n in notes for d in n.suggested]
    if len(pairs) < BINS:
        return None
    return asdict(calibration([p for p, _ in pairs], [right for _, right in pairs]))


def _ablation(full: Sequence[Judged], other: Sequence[Judged]) -> dict[str, Any]:
    ours, theirs = [n.exact() for n in full], [n.exact() for n in other]
    change, low, high = difference(theirs, ours)
    return {"exact": as_dict(score(theirs)), "change": round(change, 4), "low": round(low, 4), "high": round(high, 4)}


def _f1(row: Row) -> float:
    return 2 * row[0] / (row[1] + row[2]) if row[1] + row[2] else 1.0


def _spread(values: Sequence[float]) -> dict[str, float]:
    return {"mean": round(mean(values), 4), "median": round(median(values), 4)}


def _share(hits: Iterable[bool]) -> float:
    seen = list(hits)
    return round(sum(seen) / len(seen), 4) if seen else 0.0
