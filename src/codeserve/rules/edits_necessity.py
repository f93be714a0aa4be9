"""Medical necessity: whether the diagnoses that a service points to are among those that a policy covers.

Source: the imported pairs of procedure and diagnosis, each by its policy (Medicare coverage articles or a payer's own);
where no policy holds for a service, this project's table procedure_reasons.tsv.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from codeserve.codesets.reference import Policy
from codeserve.rules.edits_case import Case
from codeserve.rules.edits_words import say
from codeserve.rules.procedures import justifies, reasons_known
from codeserve.rules.results import Finding, Procedure


def necessity_edits(case: Case) -> Iterator[Finding]:
    for line in case.lines if case.diagnoses else ():
        pointed = [d.code for d in case.pointed(line)]
        policies = case.codesets.reference.policies(line.code, case.day)
        if policies:
            yield from _policies(line, pointed, policies)
        elif pointed and reasons_known(line.code) and not any(justifies(code, line.code) for code in pointed):
            yield say("procedure-reason", (line.code, *pointed))


def _policies(line: Procedure, pointed: Sequence[str], policies: Sequence[Policy]) -> Iterator[Finding]:
    """One policy that covers a pointed diagnosis is enough: a service may fall under several, by region and reason."""
    if any(covers(policy, code) for policy in policies for code in pointed):
        return
    for policy in policies:
        yield say(
            "necessity-policy",
            (line.code, *pointed),
            policy=f"{policy.policy} for {policy.region}" if policy.region else policy.policy,
            title=policy.title,
            table=policy.table.source,
        )


def covers(policy: Policy, code: str) -> bool:
    """The policy lists the code itself or a line above it."""
    return code in policy.diagnoses or any(code[:length] in policy.diagnoses for length in range(3, len(code)))
