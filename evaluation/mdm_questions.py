"""Whether the LLM helps where the rules leave the kind of a problem open (rules/mdm_open.py).

    python evaluation/mdm_questions.py tests/rules/data/em_blind_tune.yaml tests/rules/data/em_heldout.yaml \
        --gold evaluation/gold/general evaluation/gold/facility

Starts the engine with the embedded model. On the vignettes (their diagnoses are given) and on the gold notes (read the
quick way, no tagger) it counts E/M codes that are exact without the answers and with them, and the moves that made a
code right or wrong. And it asks about every chronic problem of the vignettes whose status the rules know: how well the
probability of yes tells those that are not at their goal from the stable ones (ROC AUC).
"""

from __future__ import annotations

import argparse
import asyncio
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import yaml
from sklearn.metrics import roc_auc_score

from codeserve.api.convert import to_encounter
from codeserve.api.schemas import ExtractRequest
from codeserve.config import AppSettings, home, keep_to_home
from codeserve.evaluation.gold import read
from codeserve.notes.document import Document
from codeserve.notes.items import find_items
from codeserve.notes.sections import split_sections
from codeserve.notes.spans import Span
from codeserve.pipeline import Judge, Knowledge, Timings, code_note
from codeserve.reasoning.questions import OpenQuestion
from codeserve.reasoning.reasoner import Reasoner
from codeserve.rules.em import decide_em
from codeserve.rules.encounter import Encounter
from codeserve.rules.mdm_open import billed, left_open, questions, settle
from codeserve.rules.mdm_problems import own_text
from codeserve.rules.results import Diagnosis, Em, Role
from codeserve.service import load_knowledge
from codeserve.tagging.entities import Assertion

THRESHOLDS = (0.5, 0.7, 0.9)
STATUS = "mdm_status"
KNOWN = {"stable_chronic": False, "exacerbation": True, "severe_exacerbation": True}


@dataclass(frozen=True, slots=True)
class Visit:
    """A visit with the right code, ready to be counted: `count` as in codeserve.pipeline."""

    source: str
    document: Document
    count: Callable[..., Em | None]
    right: str | None
    diagnoses: tuple[Diagnosis, ...] = ()
    level: str | None = None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("vignettes", nargs="+", type=Path, help="YAML files of vignettes")
    parser.add_argument("--gold", nargs="*", default=[], help="gold notes: the files' names up to _notes.jsonl")
    parser.add_argument("--bounds", action="store_true", help="start no engine: only what a yes to all would change")
    args = parser.parse_args()
    keep_to_home(home())
    asyncio.run(measure(args.vignettes, args.gold, args.bounds))


async def measure(files: Sequence[Path], gold: Sequence[str], bounds: bool) -> None:
    from codeserve.deployments.loading import load_reasoner

    settings = AppSettings()
    reasoner = load_reasoner(settings.model_set)
    told = [visit for path in files for visit in vignettes(path)]
    visits = told + await notes(gold, load_knowledge(settings), reasoner)
    if bounds:
        await tell_moves(visits, _yes, (1.0,))
        return
    await reasoner.engine.start()
    try:
        await tell_moves(visits, reasoner.judge, THRESHOLDS)
        await tell_ranking(told, reasoner)
    finally:
        await reasoner.engine.stop()


def vignettes(path: Path) -> Iterator[Visit]:
    for one in yaml.safe_load(path.read_text(encoding="utf-8")):
        text = one["text"]
        sections = split_sections(text)
        places = range(len(text))
        document = Document(text, text, places, range(1, len(text) + 1), sections, find_items(text, sections))
        diagnoses = tuple(_named(text, n, *pair) for n, pair in enumerate(one["diagnoses"], 1))
        count = partial(decide_em, document, diagnoses, (), Encounter(**one["encounter"]), (), None)
        level = (one["expect"].get("elements") or [None])[0]
        yield Visit(path.stem, document, count, one["expect"]["code"], diagnoses, level)


def _named(text: str, number: int, code: str, words: str) -> Diagnosis:
    at = Span(text.rindex(words), text.rindex(words) + len(words))
    role = Role.EXTERNAL_CAUSE if code[0] in "VWXY" else Role.ASSESSED
    return Diagnosis(code, words, 1.0, (at,), Assertion.PRESENT, "lexicon", role, number)


async def notes(sets: Sequence[str], knowledge: Knowledge, reasoner: Reasoner) -> list[Visit]:
    """The gold notes, read without tagger and LLM."""
    visits = []
    for name in sets:
        for note in read([Path(f"{name}_notes.jsonl")], [Path(f"{name}_gold.jsonl")]):
            encounter, identifiers = to_encounter(ExtractRequest.model_validate(note.request).encounter)
            reason = partial(reasoner.answer, llm=False, dense=False)
            coded = await code_note(note.text, identifiers, encounter, knowledge, None, reason, Timings())
            count = partial(
                decide_em, coded.document, coded.diagnoses, coded.procedures, coded.encounter, coded.entities, None
            )
            visits.append(Visit(f"{Path(name).name}, {note.part}", coded.document, count, note.gold.em))
    return visits


async def _yes(asked: Sequence[OpenQuestion]) -> list[float]:
    return [1.0] * len(asked)


async def tell_moves(visits: Sequence[Visit], judge: Judge, thresholds: Sequence[float]) -> None:
    counted: dict[str, Counter[str]] = {}
    for visit in visits:
        own = counted.setdefault(visit.source, Counter())
        own.update(await moves(visit, judge, thresholds))
    for source, own in counted.items():
        print(f"{source}: {own['visits']} visits, {own['exact']} exact, {own['open']} with an open problem,", end=" ")
        print(f"{own['asked']} asked ({own['questions']} questions)")
        for threshold in thresholds:
            right, wrong, other = (own[f"{kind} {threshold}"] for kind in ("right", "wrong", "other"))
            exact = own["exact"] + right - wrong
            print(f"  yes from {threshold}: {exact} exact; {right} made right, {wrong} made wrong, {other} other moves")


async def moves(visit: Visit, judge: Judge, thresholds: Sequence[float]) -> Counter[str]:
    """What the answers change of one visit."""
    em = visit.count()
    found = Counter({"visits": 1, "exact": _right(em, visit)})
    asked = left_open(em) if em else ()
    found["open"] = bool(asked)
    every = settle(asked, [1.0] * len(asked), 1.0)
    if not asked or billed(visit.count(settled=every)) == billed(em):
        return found
    sure = await judge(questions(visit.document, asked))
    found.update({"asked": 1, "questions": len(asked)})
    for threshold in thresholds:
        after = visit.count(settled=settle(asked, sure, threshold))
        if billed(after) != billed(em):
            was, is_now = _right(em, visit), _right(after, visit)
            found[f"{'right' if is_now > was else 'wrong' if is_now < was else 'other'} {threshold}"] += 1
    return found


def _right(em: Em | None, visit: Visit) -> int:
    return int((em.code if em else None) == visit.right)


async def tell_ranking(visits: Sequence[Visit], reasoner: Reasoner) -> None:
    known = [pair for visit in visits for pair in told(visit)]
    sure = await reasoner.judge([question for question, _ in known])
    worse = [worse for _, worse in known]
    shares = {said: [p for p, w in zip(sure, worse, strict=True) if w is said] for said in (True, False)}
    print(f"status told by words: {sum(worse)} problems not at their goal, {len(worse) - sum(worse)} stable;", end=" ")
    print(f"ROC AUC {roc_auc_score(worse, sure):.3f}", end="; ")
    print(", ".join(f"mean yes of {'worse' if w else 'stable'} {sum(v) / len(v):.3f}" for w, v in shares.items()))
    for threshold in THRESHOLDS:
        yes = {said: sum(p >= threshold for p in found) for said, found in shares.items()}
        print(f"  yes from {threshold}: {yes[True]} of those not at their goal, {yes[False]} of the stable ones")


def told(visit: Visit) -> Iterator[tuple[OpenQuestion, bool]]:
    """Chronic problems of a visit whose first element came out right, and whether they are not at their goal."""
    em = visit.count()
    if em is None or em.problems.level != visit.level:
        return
    kinds: Mapping[str, str] = {item.message.partition(":")[0]: item.kind for item in em.problems.items}
    for d in visit.diagnoses:
        if (kind := kinds.get(d.code, "")) in KNOWN:
            text = visit.document.text
            said = " ".join(span.of(text) for span in own_text(visit.document, d))
            yield OpenQuestion(STATUS, d.evidence[0].of(text), said), KNOWN[kind]


if __name__ == "__main__":
    main()
