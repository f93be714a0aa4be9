"""Start a simulated platform:

python -m codeserve.adapters.simulators fhir --port 9001 --webhook http://127.0.0.1:8000/v1/webhooks/ehr
"""

from __future__ import annotations

import signal
import threading
from importlib import import_module
from typing import Annotated, Any

import typer

from codeserve.adapters.simulators.base import Simulator
from codeserve.adapters.simulators.faults import CONTROL

SIMULATORS = {
    "advancedmd": "AdvancedMdSimulator",
    "carecloud": "CareCloudSimulator",
    "drchrono": "DrChronoSimulator",
    "fhir": "FhirSimulator",
    "tebra": "TebraSimulator",
}


def simulator_of(platform: str, **options: Any) -> Simulator:
    made: Simulator = getattr(import_module(f"codeserve.adapters.simulators.{platform}"), SIMULATORS[platform])(
        **options
    )
    return made


def main(
    platform: Annotated[str, typer.Argument(help=", ".join(SIMULATORS))],
    port: Annotated[int, typer.Option(help="0 takes a free one")] = 0,
    webhook: Annotated[str, typer.Option(help="where deliveries go; without it none are sent")] = "",
    secret: Annotated[str, typer.Option(help="what deliveries prove themselves with")] = "simulated-secret",
) -> None:
    """Serve a platform on loopback until stopped. Notes are signed by POST /_simulator/notes {"text": "…"}."""
    if platform not in SIMULATORS:
        raise typer.BadParameter(f"one of {', '.join(SIMULATORS)}")
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    simulator = simulator_of(platform, webhook_secret=secret)
    simulator.webhook_url = webhook or None
    with simulator.serving(port):
        typer.echo(f"{platform} at {simulator.base_url}, controlled at {simulator.root}{CONTROL}")
        stopped.wait()


if __name__ == "__main__":
    typer.run(main)
