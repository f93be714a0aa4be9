"""What all simulated platforms share: notes on file, tokens that expire, faults on request, a server on loopback."""

from __future__ import annotations

import socket
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from codeserve.adapters.base import ChargeLine
from codeserve.adapters.simulators.control import control_routes
from codeserve.adapters.simulators.faults import FaultMiddleware, Faults
from codeserve.adapters.simulators.tokens import TokenDesk

START_S = 30.0


@dataclass(frozen=True, slots=True)
class NoteOnFile:
    """A note to sign, with an invented patient and visit."""

    text: str
    given: str = "Marla"
    family: str = "Quillfeather"
    birth_date: str = "1961-04-17"
    sex: str = "female"
    record_number: str = "MRN-7714502"
    phone: str = "555-0142"
    street: str = "18 Larkspur Lane"
    date_of_service: str = "2026-03-02"


@dataclass(frozen=True, slots=True)
class KeptDraft:
    """A draft charge as the platform keeps it, told in our words."""

    reference: str
    diagnoses: tuple[str, ...]
    lines: tuple[ChargeLine, ...]


@dataclass(frozen=True, slots=True)
class Delivery:
    """A webhook as the platform sends it."""

    headers: Mapping[str, str]
    body: bytes = field(repr=False)


class Simulator(ABC):
    """A platform. `base` is what an adapter takes for its base address, under the server's root."""

    name: str
    base = "/"

    def __init__(self, webhook_secret: str = "simulated-secret", token_life_s: float = 3600.0) -> None:
        self.webhook_secret = webhook_secret
        self.faults = Faults()
        self.tokens = TokenDesk(token_life_s)
        self.root = ""
        self.webhook_url: str | None = None
        self._clock = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)

    def tick(self) -> datetime:
        """The platform's time of a change: later with each, whatever the machine's clock does."""
        self._clock += timedelta(seconds=1)
        return self._clock

    @abstractmethod
    def routes(self) -> list[Route]: ...

    def label(self, path: str, headers: Mapping[str, str], body: bytes) -> str:
        """What a request is, for faults to choose by; a platform with one address for all says more than the path."""
        return path

    @abstractmethod
    def sign(self, note: NoteOnFile) -> str:
        """Put a signed note on file; its document id."""

    @abstractmethod
    def amend(self, document_id: str, text: str) -> str:
        """Sign an amended text; the id under which it is fetched, which some platforms change."""

    @abstractmethod
    def drafts(self, reference: str) -> list[KeptDraft]: ...

    @abstractmethod
    def tasks(self) -> list[str]:
        """The references of the tasks that were pushed."""

    def delivery(self, document_id: str) -> Delivery:
        """What the platform sends about a document: the same each time that it is sent again."""
        raise NotImplementedError(f"{self.name} sends no webhooks")

    async def announce(self, document_id: str) -> int | None:
        """Send the delivery to the webhook address, where one is set; the status that came back."""
        if self.webhook_url is None:
            return None
        sent = self.delivery(document_id)
        async with httpx.AsyncClient(trust_env=False, timeout=30) as client:
            return (await client.post(self.webhook_url, content=sent.body, headers=dict(sent.headers))).status_code

    def app(self) -> ASGIApp:
        routes = [*self.tokens.routes(), *control_routes(self), *self.routes()]
        return Starlette(routes=routes, middleware=[Middleware(FaultMiddleware, faults=self.faults, label=self.label)])

    @property
    def base_url(self) -> str:
        return self.root + self.base

    @contextmanager
    def serving(self, port: int = 0) -> Iterator[Simulator]:
        """Served on loopback from a thread, until the block ends."""
        with Host().serving(port) as host:
            host.show(self)
            yield self


class Host:
    """A server on loopback that shows one simulator after another: tests start it once for many."""

    def __init__(self) -> None:
        self.root = ""
        self._shown: ASGIApp | None = None

    def show(self, simulator: Simulator) -> None:
        simulator.root = self.root
        self._shown = simulator.app()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        assert self._shown is not None  # nobody knows the address before
        await self._shown(scope, receive, send)

    @contextmanager
    def serving(self, port: int = 0) -> Iterator[Host]:
        with socket.socket() as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(("127.0.0.1", port))
            self.root = f"http://127.0.0.1:{listener.getsockname()[1]}"
            config = uvicorn.Config(
                self, log_level="critical", access_log=False, lifespan="off", timeout_graceful_shutdown=0
            )
            server = uvicorn.Server(config)
            thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
            thread.start()
            try:
                _wait_until_started(server, thread)
                yield self
            finally:
                server.should_exit = True
                thread.join(START_S)


def _wait_until_started(server: uvicorn.Server, thread: threading.Thread) -> None:
    until = time.monotonic() + START_S
    while not server.started:
        if not thread.is_alive() or time.monotonic() > until:
            raise RuntimeError("the simulator did not start")
        time.sleep(0.01)
