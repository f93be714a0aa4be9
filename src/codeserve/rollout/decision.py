"""Where one suggestion goes under a policy, with every rule that had a say. Wraps rules/routing.py."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from codeserve.rollout.families import load_families
from codeserve.rollout.modes import Mode, Policy
from codeserve.rollout.suggestion import Suggestion
from codeserve.rules.routing import Reason, decide

AUTO_POST, REVIEW = "auto_post", "review"


@dataclass(frozen=True, slots=True)
class Decided:
    """`route`: "auto_post", "review" or "worklist"; `shown`: whether coders get the suggestion at all (not in shadow);
    `quality_sample`: posted, and a coder looks at it all the same."""

    route: str
    mode: Mode
    threshold: float
    reasons: tuple[Reason, ...]
    shown: bool
    quality_sample: bool = False

    def as_dict(self) -> dict[str, Any]:
        return {
            **{"route": self.route, "mode": self.mode.value, "threshold": self.threshold, "shown": self.shown},
            "quality_sample": self.quality_sample,
            "reasons": [{"rule": reason.rule, "text": reason.text} for reason in self.reasons],
        }


def route_under(policy: Policy, suggestion: Suggestion, posted_today: int) -> Decided:
    """`posted_today`: notes of this practice and specialty that were posted without a coder since midnight."""
    route, reasons = decide(suggestion.confidences, suggestion.findings, policy.threshold, policy.mode)
    held_back = tuple(_held_back(policy, suggestion, posted_today)) if route == AUTO_POST else ()
    if held_back:
        return Decided(REVIEW, policy.mode, policy.threshold, held_back, shown=True)
    decided = Decided(route, policy.mode, policy.threshold, reasons, shown=policy.mode is not Mode.SHADOW)
    if route == AUTO_POST and in_sample(suggestion.id, policy.quality_share):
        chosen = Reason("quality-sample", f"chosen for quality control by its id, a share of {policy.quality_share:g}")
        return replace(decided, reasons=(*reasons, chosen), quality_sample=True)
    return decided


def would_post(policy: Policy, suggestion: Suggestion) -> bool:
    """Whether the policy in automated mode would post it on a day on which nothing was posted yet: on such cases a step
    to automated is judged."""
    trial = replace(policy, mode=Mode.AUTOMATED, maximum_a_day=max(1, policy.maximum_a_day))
    return route_under(trial, suggestion, 0).route == AUTO_POST


def _held_back(policy: Policy, suggestion: Suggestion, posted_today: int) -> Iterator[Reason]:
    families = load_families()
    outside = sorted(
        {line.code for line in suggestion.lines if not families.of(line.code, line.diagnosis) & policy.families}
    )
    if outside:
        text = f"{len(outside)} of {len(suggestion.lines)} codes outside the allowed families: {', '.join(outside)}"
        yield Reason("family", text)
    if posted_today >= policy.maximum_a_day:
        yield Reason("daily-maximum", f"{posted_today} were posted today, the maximum is {policy.maximum_a_day}")


def in_sample(id: str, share: float) -> bool:
    """The same for the same id, everywhere and always; over many ids a `share` of them."""
    drawn = int.from_bytes(hashlib.sha256(b"quality-sample:" + id.encode()).digest()[:8])
    return drawn < share * 2**64
