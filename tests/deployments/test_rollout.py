"""Which applications Serve has at each step of an update: two whole chains, one route."""

from __future__ import annotations

import pytest
from ray.serve.schema import ServeDeploySchema

from codeserve.deployments import rollout
from codeserve.deployments.cluster import read_config
from tests.conftest import ROOT

CONFIG = read_config(ROOT / "serve_config.yaml")


def routes(config: rollout.Config) -> dict[str, str]:
    return {one.name: one.route_prefix for one in ServeDeploySchema.model_validate(config).applications}


def test_the_names_take_turns() -> None:
    first, second = rollout.NAMES
    assert (rollout.other(first), rollout.other(second)) == (second, first)


@pytest.mark.parametrize("now", rollout.NAMES)
def test_one_of_two_applications_serves_at_each_step(now: str) -> None:
    then = rollout.other(now)
    running, new = rollout.named(CONFIG, now), rollout.named(CONFIG, then)
    assert routes(running) == {now: "/"}
    assert routes(rollout.beside(running, new)) == {now: "/", then: rollout.NEXT}
    assert routes(rollout.switched(running, new)) == {now: rollout.PREVIOUS, then: "/"}
    assert CONFIG["applications"][0]["name"] == "codeserve"


def test_a_step_changes_nothing_else_so_that_no_replica_is_replaced() -> None:
    running, new = rollout.named(CONFIG, rollout.NAMES[0]), rollout.named(CONFIG, rollout.NAMES[1])
    for config in (rollout.beside(running, new), rollout.switched(running, new)):
        for application in config["applications"]:
            for key in ("args", "deployments", "import_path"):
                assert application[key] == CONFIG["applications"][0][key]
