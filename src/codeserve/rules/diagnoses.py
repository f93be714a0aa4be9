"""From the reasoner's answers to the diagnoses of the encounter: side and episode, combinations, symptoms, sequence."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from codeserve.codesets import CodeSets
from codeserve.codesets.concepts import specify
from codeserve.notes.document import Document, SectionKind
from codeserve.notes.spans import Span
from codeserve.reasoning.questions import Answer, Judged
from codeserve.retrieval import text as words
from codeserve.rules import confidence
from codeserve.rules.combinations import explained, history_code, join
from codeserve.rules.confidence import Confidence, Features
from codeserve.rules.encounter import Encounter
from codeserve.rules.external_causes import external_causes, is_injury
from codeserve.rules.problems import Problem
from codeserve.rules.results import Alternative, Diagnosis, Role
from codeserve.rules.services import Done
from codeserve.rules.status import status_codes
from codeserve.rules.tables import any_of, rows
from codeserve.tagging.entities import Assertion

MAX_ALTERNATIVES = 20
STATUS_STEMS = ("Z79", "Z68", "Z87", "Z85", "Z86", "Z80", "Z82", "Z83", "Z84", "Z88", "Z9", "Z78.0")


@dataclass(frozen=True, slots=True)
class _Draft:
    """A diagnosis in the making. `why` collects what decided, for the rationale; `confidence` is the answer's own;
    `first`: listed first whatever else was found."""

    code: str
    confidence: float
    spans: tuple[Span, ...]
    group: int
    own_text: str
    decided_by: str
    why: tuple[str, ...]
    assertion: Assertion = Assertion.PRESENT
    alternatives: tuple[Alternative, ...] = ()
    features: Features = field(default_factory=dict)
    first: bool = False


def decide(
    problems: Sequence[Problem],
    answers: Sequence[Answer],
    document: Document,
    encounter: Encounter,
    codesets: CodeSets,
    services: Sequence[Done] = (),
) -> tuple[Diagnosis, ...]:
    """Billable codes, each once, in sequence; external causes behind the injuries, status codes last.

    `answers[i]` belongs to `problems[i]`. A problem for which none of the candidates fits gets no code.
    """
    asked = [d for p, a in zip(problems, answers, strict=True) for d in _drafts(p, a, document, codesets)]
    asked = [_for_age(draft, encounter) for draft in asked]
    more = [addition for draft in asked for addition in _additions(draft)]
    drafts = _joined(_unique((*asked, *more, *_reasons(services, document))))
    kept = [d for d in drafts if explained(d, drafts) is None]
    kept = _without_less_specific(kept, codesets)
    ordered = _sequenced(kept, document)
    codes = [d.code for d in ordered]
    beside = (*_causes(document, codes), *_statuses(document, codes, encounter))
    return tuple(_diagnosis(draft, number, codesets) for number, draft in enumerate((*ordered, *beside), 1))


def _drafts(problem: Problem, answer: Answer, document: Document, codesets: CodeSets) -> Iterator[_Draft]:
    if not answer.judged:
        return
    best, *others = answer.judged
    if answer.none > 0.5 and answer.decided_by == "llm":
        return
    alternatives = tuple(_alternatives(problem, others, codesets))
    for code, spans, why in _specified(problem, best, codesets):
        yield _Draft(
            code=code,
            confidence=best.probability,
            spans=(*problem.spans, *spans),
            group=problem.group,
            own_text=problem.body.of(document.text) if len(problem.body) < 1500 else problem.term,
            decided_by=answer.decided_by,
            why=(f"“{problem.term}” in {problem.section.value}", *why),
            assertion=Assertion.HISTORICAL if problem.historical else problem.assertion,
            alternatives=alternatives,
            features=confidence.of_answer(problem, answer) | {"details": float(len(spans))},
        )


def _specified(
    problem: Problem, judged: Judged, codesets: CodeSets
) -> Iterator[tuple[str, tuple[Span, ...], tuple[str, ...]]]:
    """The billable codes of a chosen concept with the words that told them apart."""
    code = judged.candidate.code
    past = history_code(code) if problem.historical and code[0] not in "ZVWXY" else None
    if past:
        yield past[0], (), (f"said to be past: history code ({past[1]})",)
        return
    concept = codesets.concepts.of(code)
    if concept is None:
        return
    side = problem.side if concept.sided else None
    episode = problem.episode if any(m.seventh for m in concept.members) else None
    trimester = problem.trimester if any(m.trimester for m in concept.members) else None
    chosen = specify(
        concept,
        side=side.value if side else None,
        episode=episode.value if episode else None,
        trimester=int(trimester.value) if trimester else None,
    )
    found = [detail for detail in (side, episode, trimester) if detail]
    why = tuple(f"{detail.value} stated" for detail in (side, trimester) if detail)
    for picked in chosen.codes:
        yield picked, tuple(detail.span for detail in found), why + tuple(f"{m} not stated" for m in chosen.missing)


def _alternatives(problem: Problem, others: Sequence[Judged], codesets: CodeSets) -> Iterator[Alternative]:
    for judged in others[:MAX_ALTERNATIVES]:
        for code, _, _ in _specified(replace(problem, historical=False), judged, codesets):
            yield Alternative(code, codesets.icd.description(code), judged.probability)


def _for_age(draft: _Draft, encounter: Encounter) -> _Draft:
    """The code that holds for the patient's age."""
    for row in rows("by_age.tsv"):
        if draft.code == row["code"] and encounter.age is not None and encounter.age < int(row["under"]):
            why = (*draft.why, f"{row['code']} becomes {row['result']} for the age ({row['source']})")
            return replace(draft, code=row["result"], why=why)
    return draft


def _additions(draft: _Draft) -> Iterator[_Draft]:
    """What the words of a problem ask for beside its code."""
    for row in rows("additions.tsv"):
        if draft.code.startswith(tuple(row["stems"].split())) and row["cue"] in draft.why[0].lower():
            why = (draft.why[0], f"in addition to {draft.code} ({row['source']})")
            features = {**draft.features, "added": 1.0}
            yield replace(draft, code=row["code"], why=why, alternatives=(), features=features)


def _reasons(services: Sequence[Done], document: Document) -> Iterator[_Draft]:
    """Reasons for the visit that a service tells, some only where the note names them."""
    for row in rows("visit_reasons.tsv"):
        spans = [done.sentence for done in services if _tells(done, row)]
        if spans and row["words"]:
            said = any_of(row["words"].split("|")).search(document.text)
            spans = [Span(*said.span())] if said else []
        if spans:
            why = (f"{row['kind'] or row['terms'].split('|')[0]} done ({row['source']})",)
            features = {"reason": 1.0}
            first = bool(row["first"])
            yield _Draft(row["code"], 1.0, tuple(spans), -1, "", "lexicon", why, features=features, first=first)


def _tells(done: Done, row: dict[str, str]) -> bool:
    return done.kind == row["kind"] or any(term and term in done.term.lower() for term in row["terms"].split("|"))


def _unique(drafts: Iterable[_Draft]) -> list[_Draft]:
    """Each code once: the surer of two keeps both evidences."""
    by_code: dict[str, _Draft] = {}
    for draft in drafts:
        known = by_code.get(draft.code)
        if known is None:
            by_code[draft.code] = draft
        else:
            surer = max(known, draft, key=lambda d: d.confidence)
            by_code[draft.code] = replace(surer, spans=(*known.spans, *draft.spans))
    return list(by_code.values())


def _joined(drafts: list[_Draft]) -> list[_Draft]:
    """Combination codes in the place of what they join; guideline sections in the table."""
    for _ in range(len(drafts) * 3):
        joined = join(drafts)
        if joined is None:
            break
        old = drafts[joined.place]
        new = replace(
            old,
            code=joined.code,
            why=(*old.why, f"{'beside ' if joined.added else ''}{old.code}: {joined.code} ({joined.source})"),
            alternatives=(*old.alternatives, Alternative(old.code, "", old.confidence)),
            features={**old.features, "joined": 1.0},
        )
        drafts[joined.place : joined.place + 1] = [old, new] if joined.added else [new]
        drafts = _unique(drafts)
    return drafts


def _without_less_specific(drafts: list[_Draft], codesets: CodeSets) -> list[_Draft]:
    """Of one category, "unspecified" goes where a more specific code of the same words stands; and Excludes1 pairs are
    settled for the code that says more (guideline I.A.12.a)."""
    kept: list[_Draft] = []
    for draft in drafts:
        rivals = [d for d in drafts if d.code != draft.code and d.code[:3] == draft.code[:3]]
        vague = draft.code.endswith((".9", ".90")) or "unspecified" in codesets.icd.description(draft.code).lower()
        if vague and any(_says_more(rival, draft) for rival in rivals):
            continue
        if any(_excluded(draft.code, d.code, codesets) and len(d.code) > len(draft.code) for d in drafts):
            continue
        kept.append(draft)
    return kept


def _says_more(rival: _Draft, draft: _Draft) -> bool:
    own, other = set(words.signature(draft.own_text[:80])), set(words.signature(rival.own_text[:80]))
    return not rival.code.endswith((".9", ".90")) and bool(own & other)


def _excluded(code: str, by: str, codesets: CodeSets) -> bool:
    return any(span.matches(code) for span in codesets.icd.excludes1(by))


def _sequenced(drafts: list[_Draft], document: Document) -> list[_Draft]:
    """First what the visit is for (IV.G), then the assessment's order; what only accompanies stands last."""
    complaint = {
        stem
        for section in document.sections
        if section.kind is SectionKind.CHIEF_COMPLAINT
        for stem in words.stems(section.body.of(document.text))
    }
    reason = next(
        (d for d in drafts if not _is_status(d.code) and complaint & set(words.signature(d.why[0]))),
        None,
    )
    ordered = sorted(drafts, key=lambda d: (_is_status(d.code), not d.first, d is not reason, drafts.index(d)))
    return _code_first(ordered)


def _code_first(ordered: list[_Draft]) -> list[_Draft]:
    """A combination code before the codes that it asks for in addition (I.A.13, I.C.9.a)."""
    for row in rows("combinations.tsv"):
        joined = next((d for d in ordered if d.code == row["result"]), None)
        kept = [i for i, d in enumerate(ordered) if d.code.startswith(tuple(row["keep"].split()) or ("-",))]
        if joined and kept and kept[0] < ordered.index(joined):
            ordered.remove(joined)
            ordered.insert(kept[0], joined)
    return ordered


def _is_status(code: str) -> bool:
    return code.startswith(STATUS_STEMS)


def _causes(document: Document, codes: Sequence[str]) -> Iterator[_Draft]:
    for cause in external_causes(document, [code for code in codes if is_injury(code)]):
        yield _Draft(
            code=cause.code,
            confidence=1.0,
            spans=(cause.span,),
            group=-1,
            own_text="",
            decided_by="lexicon",
            why=("how the injury came about (I.C.20)",),
            features={"place_or_activity": float(cause.code.startswith("Y9"))},
        )


def _statuses(document: Document, codes: Sequence[str], encounter: Encounter) -> Iterator[_Draft]:
    for status in status_codes(document, codes, encounter.age):
        if status.code not in codes:
            why = (f"status beside the diagnosis ({status.source})",)
            yield _Draft(status.code, 1.0, (status.span,), -1, "", "lexicon", why, features={"status": 1.0})


def _diagnosis(draft: _Draft, sequence: int, codesets: CodeSets) -> Diagnosis:
    role = Role.EXTERNAL_CAUSE if draft.code[0] in "VWXY" else Role.STATUS if _is_status(draft.code) else Role.ASSESSED
    features = {**draft.features, **confidence.of_code(draft.code, codesets.icd)}
    named = tuple(replace(a, description=a.description or codesets.icd.description(a.code)) for a in draft.alternatives)
    return Diagnosis(
        code=draft.code,
        description=codesets.icd.description(draft.code),
        confidence=Confidence.load()(features),
        evidence=tuple(dict.fromkeys(draft.spans)),
        assertion=draft.assertion,
        decided_by=draft.decided_by,
        role=role,
        sequence=sequence,
        alternatives=tuple({a.code: a for a in named if a.code != draft.code}.values()),
        rationale="; ".join((*draft.why, f"decided by {draft.decided_by}")),
        features=features,
    )
