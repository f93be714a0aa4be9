"""Why a deployment has no replica that runs, in words that a caller may see."""

from __future__ import annotations

import re
from typing import Protocol

# The last line of a stack trace: the kind of the error, and after it what it says.
RAISED = re.compile(r"^(?P<module>(?:\w+\.)*)(?P<kind>[A-Z]\w*)(?:: (?P<told>.*))?$")


class Overview(Protocol):
    """Of one deployment, as `serve.status()` gives it."""

    @property
    def status(self) -> str: ...

    @property
    def message(self) -> str: ...

    @property
    def replica_states(self) -> dict[str, int]: ...


def runs(overview: Overview) -> bool:
    return overview.replica_states.get("RUNNING", 0) > 0


def why(overview: Overview) -> str:
    """That it starts or waits, or how it failed: the kind of the error, and what it says where it is ours."""
    raised = cause(overview.message)
    if overview.status == "DEPLOY_FAILED":
        return f"cannot start ({raised or 'no reason given'})"
    if raised:
        return f"a start failed ({raised}), tried again"
    if "have taken more than" in overview.message:
        return "waits for resources"
    return "starting"


def cause(message: str) -> str:
    """What the last error in a status message was: its kind; of one of our own, which hold no text of notes, what it
    says. Empty where there is none."""
    raised = [found for line in message.splitlines() if (found := RAISED.match(line.strip()))]
    ours = [found for found in raised if found["module"] == "codeserve.errors."]
    if ours:
        return ours[-1]["told"] or ours[-1]["kind"]
    kinds = [found["kind"] for found in raised if found["module"] or found["told"] is not None]
    return kinds[-1] if kinds else ""
