"""From mode to mode: the figures of the period before, a person's approval, and when automated ends by itself."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any

from codeserve.access.principal import Principal
from codeserve.errors import Conflict, Forbidden
from codeserve.rollout.bars import FALLBACK, Bars, Check, check_fallback, check_step, load_bars
from codeserve.rollout.decision import would_post
from codeserve.rollout.figures import Case, Figures, measure
from codeserve.rollout.modes import Mode, Policy

WINDOW = 200  # the latest posted notes that a fallback looks at
ITSELF = "codeserve"


@dataclass(frozen=True, slots=True)
class Assessment:
    """Whether a policy has earned the mode `to` by the figures of the period in its present one."""

    policy: Policy
    to: Mode
    figures: Figures
    checks: tuple[Check, ...]

    @property
    def passed(self) -> bool:
        return all(check.holds for check in self.checks)

    @property
    def missing(self) -> tuple[str, ...]:
        return tuple(check.text for check in self.checks if not check.holds)


@dataclass(frozen=True, slots=True)
class Change:
    """A step that was taken, for the stored row and the trail. `by`: the subject of who approved it, or ITSELF."""

    before: Policy
    after: Policy
    by: str
    at: datetime
    reasons: tuple[str, ...]
    figures: Figures | None = None

    def as_dict(self) -> dict[str, Any]:
        return {
            **{"tenant": self.after.tenant, "specialty": self.after.specialty},
            **{"from": _told(self.before), "to": _told(self.after)},
            **{"by": self.by, "at": self.at.isoformat(), "reasons": list(self.reasons)},
            "figures": self.figures.as_dict() if self.figures else None,
        }


def _told(policy: Policy) -> dict[str, Any]:
    told = {name: value for name, value in asdict(policy).items() if name not in ("tenant", "specialty", "since")}
    return {**told, "mode": policy.mode.value, "families": sorted(policy.families)}


def assess(policy: Policy, to: Mode, cases: Iterable[Case], bars: Bars | None = None) -> Assessment:
    """By the cases since the present mode began; a step to automated by those that `policy` would then post, so its
    threshold and families are those that are asked for. Raises Conflict for a step that is none."""
    if to.rank != policy.mode.rank + 1:
        raise Conflict(f"From {policy.mode} one goes on to the next mode only", hint="shadow, assisted, automated")
    figures = measure(_of_period(policy, cases, posted=to is Mode.AUTOMATED))
    checks = tuple(check_step(bar, getattr(figures, bar.figure)) for bar in (bars or load_bars())[to.value])
    return Assessment(policy, to, figures, checks)


def promote(assessment: Assessment, approver: Principal, at: datetime, maximum_a_day: int = 0) -> Change:
    """The step, approved by a person of the practice who may. Raises Forbidden, and Conflict where the figures do not
    hold or automated would post nothing."""
    before = assessment.policy
    approver.require("promote")
    if approver.tenant != before.tenant or approver.kind == "open":
        raise Forbidden("A step is approved by somebody of the practice who is known by name")
    if not assessment.passed:
        raise Conflict("The figures do not hold: " + "; ".join(assessment.missing))
    after = replace(before, mode=assessment.to, since=at)
    if assessment.to is Mode.AUTOMATED:
        if not before.families or maximum_a_day < 1:
            raise Conflict("Automated needs families that may be posted and a maximum a day of at least 1")
        after = replace(after, maximum_a_day=maximum_a_day)
    reasons = tuple(check.text for check in assessment.checks)
    return Change(before, after, approver.subject, at, reasons, assessment.figures)


def demote(policy: Policy, to: Mode, by: Principal, at: datetime, why: str) -> Change:
    """Back to a safer mode, at once and without figures. Raises Forbidden and Conflict."""
    by.require("demote")
    if by.tenant != policy.tenant:
        raise Forbidden("This is another practice's")
    if to.rank >= policy.mode.rank:
        raise Conflict(f"{to} is not safer than {policy.mode}")
    return Change(policy, replace(policy, mode=to, since=at), by.subject, at, (why,))


def fall_back(policy: Policy, cases: Iterable[Case], at: datetime, bars: Bars | None = None) -> Change | None:
    """From automated to assisted where a figure of the latest posted notes that people looked at is beyond its bar;
    None where all is well, or where they are too few to say. Only what came since automated began counts, so what led
    here does not lead back, and the way up again is a new period with a new approval."""
    if policy.mode is not Mode.AUTOMATED:
        return None
    posted = sorted(_of_period(policy, cases, posted=True), key=lambda case: case.at)
    figures = measure(posted[-WINDOW:])
    checks = (check_fallback(bar, getattr(figures, bar.figure)) for bar in (bars or load_bars())[FALLBACK])
    broken = tuple(check.text for check in checks if not check.holds)
    after = replace(policy, mode=Mode.ASSISTED, since=at)
    return Change(policy, after, ITSELF, at, broken, figures) if broken else None


def _of_period(policy: Policy, cases: Iterable[Case], posted: bool) -> list[Case]:
    """Since the mode began; with `posted` those that the policy posts in automated mode."""
    since = [case for case in cases if policy.since is None or case.at >= policy.since]
    return [case for case in since if would_post(policy, case.suggestion)] if posted else since
