"""What a caller is told of a deployment that does not run: a kind, never a message that may hold anything."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from codeserve.deployments.starting import LONGEST_S, pause_s
from codeserve.deployments.status import cause, runs, why

FOREIGN = """The deployment failed to start 3 times in a row. See controller logs for details. Error:
ray::ServeReplica:codeserve:Reasoner.initialize() (pid=1, repr=<ray.serve.Replica object>)
  File "engine.py", line 52, in start
    raise failure
ValueError: Quillon Vexworthy"""
OURS = f"""{FOREIGN}
During handling of the above exception, another exception occurred:
codeserve.errors.StageFailed: the LLM engine did not start (ValueError)"""


@dataclass
class Overview:
    status: str = "UPDATING"
    message: str = ""
    replica_states: dict[str, int] = field(default_factory=dict)


def test_of_a_foreign_error_only_the_kind_is_told() -> None:
    assert cause(FOREIGN) == "ValueError"


def test_our_own_errors_say_what_they_are() -> None:
    assert cause(OURS) == "the LLM engine did not start (ValueError)"
    assert cause("no error here") == ""


@pytest.mark.parametrize(
    ("overview", "told"),
    [
        (Overview(), "starting"),
        (Overview(message=OURS), "a start failed (the LLM engine did not start (ValueError)), tried again"),
        (Overview("DEPLOY_FAILED", FOREIGN), "cannot start (ValueError)"),
        (
            Overview(message="Deployment has 1 replicas that have taken more than 30s to be scheduled"),
            "waits for resources",
        ),
    ],
    ids=["starting", "again", "failed", "resources"],
)
def test_why(overview: Overview, told: str) -> None:
    assert why(overview) == told


def test_a_deployment_with_one_running_replica_runs() -> None:
    assert runs(Overview(replica_states={"RUNNING": 1, "STARTING": 1}))
    assert not runs(Overview(replica_states={"STARTING": 1}))


def test_pauses_grow_to_a_bound() -> None:
    assert [pause_s(n) for n in (1, 2, 3, 20)] == [2, 4, 8, LONGEST_S]
