"""Where an encounter goes next, and why."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from codeserve.rules.results import Diagnosis, Em, Finding, Procedure, Route, Severity

LOW = 0.5
AUTOMATED = "automated"
CLEAN = "every confidence is at the threshold or above, and nothing was found"


def route(
    diagnoses: Sequence[Diagnosis],
    procedures: Sequence[Procedure],
    em: Em | None,
    findings: Sequence[Finding],
    threshold: float = 0.95,
    mode: str = "assisted",
) -> Route:
    """`auto_post` only in automated mode, with every confidence at `threshold` (in [0, 1]) and no error or warning;
    `worklist` where a coder has to decide: nothing coded, a confidence below 0.5, an error; `review` else."""
    counted = [d.confidence for d in diagnoses] + [p.confidence for p in procedures]
    counted += [em.confidence] if em else []
    reasons = (*_decisive(counted, findings), *_doubtful(counted, findings, threshold, mode))
    if any(_decisive(counted, findings)):
        return Route("worklist", threshold, reasons)
    return Route("review", threshold, reasons) if reasons else Route("auto_post", threshold, (CLEAN,))


def _decisive(counted: Sequence[float], findings: Sequence[Finding]) -> Iterator[str]:
    if not counted:
        yield "nothing was coded"
    low = sum(confidence < LOW for confidence in counted)
    if low:
        yield f"{low} of {len(counted)} confidences below {LOW}, the lowest {min(counted):.2f}"
    yield from _count(findings, Severity.ERROR)


def _doubtful(counted: Sequence[float], findings: Sequence[Finding], threshold: float, mode: str) -> Iterator[str]:
    below = sum(LOW <= confidence < threshold for confidence in counted)
    if below:
        lowest = min(c for c in counted if c >= LOW)
        yield f"{below} of {len(counted)} confidences below the threshold {threshold}, the lowest {lowest:.2f}"
    yield from _count(findings, Severity.WARNING)
    if mode != AUTOMATED:
        yield f"mode {mode}: a coder decides"


def _count(findings: Sequence[Finding], severity: Severity) -> Iterator[str]:
    rules = [f.rule for f in findings if f.severity is severity]
    if rules:
        yield f"{len(rules)} {severity.value}{'s' if len(rules) > 1 else ''}: {', '.join(sorted(set(rules)))}"
