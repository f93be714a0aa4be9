"""The Ray Serve application that serve_config.yaml names: Gateway → EntityTagger → Reasoner."""

from __future__ import annotations

from typing import Any

from ray.serve import Application

from codeserve.config import load_settings
from codeserve.deployments.gateway import Gateway
from codeserve.deployments.reasoner import Reasoner
from codeserve.deployments.tagger import EntityTagger


def build(args: dict[str, Any]) -> Application:
    """`args` as AppSettings has them. Raises SetupError that names a wrong key."""
    settings = load_settings(args)
    stage = settings.model_set.model_dump(mode="json"), settings.tracing.model_dump(mode="json")
    return Gateway.bind(settings.model_dump(mode="json"), EntityTagger.bind(*stage), Reasoner.bind(*stage))
