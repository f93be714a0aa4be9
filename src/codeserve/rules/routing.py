"""Where an encounter goes next, and why."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from codeserve.rules.results import Diagnosis, Em, Finding, Procedure, Role, Route, Severity

LOW = 0.5


def route(
    diagnoses: Sequence[Diagnosis],
    procedures: Sequence[Procedure],
    em: Em | None,
    findings: Sequence[Finding],
    threshold: float = 0.95,
    mode: str = "assisted",
) -> Route:
    """`auto_post` only in automated mode, with every confidence at the threshold and clean findings; `worklist` where a
    coder has to decide; `review` else."""
    counted = [d.confidence for d in diagnoses if d.role is Role.ASSESSED]
    counted += [p.confidence for p in procedures] + ([em.confidence] if em else [])
    reasons = tuple(_reasons(counted, findings, threshold, mode))
    if not counted or min(counted) < LOW or any(f.severity is Severity.ERROR for f in findings):
        return Route("worklist", threshold, reasons)
    return Route(
        "review" if reasons else "auto_post", threshold, reasons or ("all codes above the threshold, no findings",)
    )


def _reasons(counted: Sequence[float], findings: Sequence[Finding], threshold: float, mode: str) -> Iterator[str]:
    if not counted:
        yield "nothing was coded"
        return
    below = sum(confidence < threshold for confidence in counted)
    if below:
        yield f"{below} of {len(counted)} confidences below the threshold, the lowest {min(counted):.2f}"
    for severity in (Severity.ERROR, Severity.WARNING):
        count = sum(f.severity is severity for f in findings)
        if count:
            yield f"{count} {severity.value}{'s' if count > 1 else ''} among the findings"
    if mode != "automated":
        yield f"mode {mode}: a coder decides"
