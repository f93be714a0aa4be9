"""Ray Serve's autoscaling policy of the Reasoner: `policy_function: codeserve.deployments.autoscaling:ReasonerPolicy`.

Serve applies its own bounds, factors and delays to what it returns.
"""

from __future__ import annotations

from typing import Any

from ray.serve.config import AutoscalingContext

from codeserve.scaling import Targets, desired_replicas


class ReasonerPolicy:
    """The keyword arguments stand under `policy_kwargs` in the configuration."""

    def __init__(self, tokens_per_replica: float, first_token_s: float, stale_s: float = 30.0) -> None:
        self._tokens, self._first_token_s, self._stale_s = tokens_per_replica, first_token_s, stale_s

    def __call__(self, ctx: AutoscalingContext) -> tuple[float, dict[str, Any]]:
        assert ctx.config is not None  # Serve sets it wherever a policy runs
        requests = ctx.config.target_ongoing_requests
        targets = Targets(self._tokens, self._first_token_s, requests, self._stale_s)
        readings = {
            name: {str(replica): [(s.timestamp, s.value) for s in series] for replica, series in by_replica.items()}
            for name, by_replica in (ctx.raw_metrics or {}).items()
        }
        return (
            desired_replicas(
                ctx.current_num_replicas,
                ctx.target_num_replicas,
                ctx.total_num_requests,
                readings,
                ctx.current_time,
                targets,
            ),
            {},
        )
