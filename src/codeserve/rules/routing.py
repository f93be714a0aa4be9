"""Where an encounter goes next, and why."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from codeserve.rules.results import Diagnosis, Em, Finding, Procedure, Route, Severity

LOW = 0.5
AUTOMATED = "automated"
CLEAN = "every confidence is at the threshold or above, and nothing was found"


@dataclass(frozen=True, slots=True)
class Reason:
    """`rule` is a stable name, `text` says what it found."""

    rule: str
    text: str


def route(
    diagnoses: Sequence[Diagnosis],
    procedures: Sequence[Procedure],
    em: Em | None,
    findings: Sequence[Finding],
    threshold: float = 0.95,
    mode: str = "assisted",
) -> Route:
    """As `decide` says of all confidences."""
    counted = [d.confidence for d in diagnoses] + [p.confidence for p in procedures]
    counted += [em.confidence] if em else []
    decision, reasons = decide(counted, findings, threshold, mode)
    return Route(decision, threshold, tuple(reason.text for reason in reasons))


def decide(
    confidences: Sequence[float], findings: Sequence[Finding], threshold: float, mode: str
) -> tuple[str, tuple[Reason, ...]]:
    """`auto_post` only in automated mode, with every confidence at `threshold` (in [0, 1]) and no error or warning;
    `worklist` where a coder has to decide: nothing coded, a confidence below 0.5, an error; `review` else."""
    decisive = tuple(_decisive(confidences, findings))
    reasons = (*decisive, *_doubtful(confidences, findings, threshold, mode))
    if decisive:
        return "worklist", reasons
    return ("review", reasons) if reasons else ("auto_post", (Reason("clean", CLEAN),))


def _decisive(counted: Sequence[float], findings: Sequence[Finding]) -> Iterator[Reason]:
    if not counted:
        yield Reason("nothing-coded", "nothing was coded")
    low = sum(confidence < LOW for confidence in counted)
    if low:
        text = f"{low} of {len(counted)} confidences below {LOW}, the lowest {min(counted):.2f}"
        yield Reason("confidence-low", text)
    yield from _count(findings, Severity.ERROR)


def _doubtful(counted: Sequence[float], findings: Sequence[Finding], threshold: float, mode: str) -> Iterator[Reason]:
    below = sum(LOW <= confidence < threshold for confidence in counted)
    if below:
        lowest = min(c for c in counted if c >= LOW)
        text = f"{below} of {len(counted)} confidences below the threshold {threshold}, the lowest {lowest:.2f}"
        yield Reason("confidence-below-threshold", text)
    yield from _count(findings, Severity.WARNING)
    if mode != AUTOMATED:
        yield Reason("mode", f"mode {mode}: a coder decides")


def _count(findings: Sequence[Finding], severity: Severity) -> Iterator[Reason]:
    rules = [f.rule for f in findings if f.severity is severity]
    if rules:
        plural = "s" if len(rules) > 1 else ""
        text = f"{len(rules)} {severity.value}{plural}: {', '.join(sorted(set(rules)))}"
        yield Reason(f"finding-{severity.value}", text)
