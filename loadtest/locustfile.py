"""What Locust runs. Locust replaces parts of the standard library in its process, so nothing else imports this module.

    LOADTEST_SCENARIO=clinic-day LOADTEST_KEYS='{"front-desk": "cs_…"}' \\
      python -m locust -f loadtest/locustfile.py --headless --host http://127.0.0.1:8000

`python -m loadtest` does that, and starts the service before.
"""

from __future__ import annotations

import json
import random
import socket
import ssl
import sys
import time
from itertools import count
from typing import Any
from urllib.parse import urlsplit

from locust import FastHttpUser, LoadTestShape, events, task
from locust.runners import MasterRunner, WorkerRunner

from codeserve.errors import SetupError
from loadtest.exchange import PATH, Request, Seen, draw, outcome
from loadtest.scenario import Traffic, load
from loadtest.shape import Pace, users_at
from loadtest.summary import summarise
from loadtest.tally import FAILED, REFUSED, Tally
from loadtest.target import Order, refuse_foreign

ORDER = Order.read()
SCENARIO = load(ORDER.scenario, ORDER.minutes)
LENGTH_S = SCENARIO.minutes * 60
PAUSE_S = 2.0  # the longest that Retry-After holds a user back, so that a run stays short
REPORTS_S = 7.0  # workers report to their master every 3 s
LAST_S = max(traffic.timeout_s for traffic in SCENARIO.traffic.values()) + 10
tally = Tally()
clock: dict[str, float] = {}
numbers = count()


class Shape(LoadTestShape):
    """The scenario's curve. When its time is over, or enough was sent, all users finish what they asked, so that no
    slow request is left out of the figures."""

    ended: float | None = None

    def tick(self) -> tuple[int, float] | None:
        most = sum(traffic.users for traffic in SCENARIO.traffic.values())
        users = users_at(SCENARIO.curve, most, self.get_run_time(), LENGTH_S)
        if users is not None and tally.sent < SCENARIO.max_requests and self.ended is None:
            return users, float(most)
        now = time.monotonic()
        self.ended = self.ended or now
        reports_s = REPORTS_S if isinstance(self.runner, MasterRunner) else 0.0
        busy = self.get_current_user_count() > 0 or now < self.ended + reports_s
        return (0, float(most)) if busy and now < self.ended + LAST_S else None


class Sender(FastHttpUser):
    """One user of one kind of traffic."""

    abstract = True
    name = ""
    traffic: Traffic
    insecure = False
    max_redirects = 0

    def on_start(self) -> None:
        refuse_foreign(self.host or "", ORDER.own_host)
        worker = getattr(self.environment.runner, "worker_index", 0)
        self.rng = random.Random(f"{SCENARIO.seed} {worker} {self.name} {next(numbers)}")
        begun = clock.setdefault("begun", time.monotonic())
        first, self.until = (begun + share * LENGTH_S for share in self.traffic.part)
        self.pace = Pace(self.traffic.every_s, max(first, time.monotonic()), self.rng)

    @property
    def over(self) -> bool:
        return self.pace.due >= self.until or tally.sent >= SCENARIO.max_requests

    def wait_time(self) -> float:
        """Locust may stop a user that waits; one that asks finishes."""
        return LENGTH_S if self.over else max(0.0, self.pace.due - time.monotonic())

    @task
    def send(self) -> None:
        if self.over or time.monotonic() < self.pace.due:
            return  # the first time: wait first
        request = draw(self.traffic, ORDER.keys.get(self.traffic.key, ""), self.rng)
        tally.begun(self.name)
        seen = self.hang_up(request) if request.misuse and request.misuse.hang_up_s else self.ask(request)
        self.pace.next(time.monotonic())
        if self.traffic.every_s is None and seen.status in (429, 503):
            after = seen.headers.get("retry-after", "")
            self.pace.due += min(float(after), PAUSE_S) if after.isdigit() else PAUSE_S

    def ask(self, request: Request) -> Seen:
        headers, name = dict(request.headers), self.name
        with self.client.post(
            PATH, request.body, name=name, headers=headers, catch_response=True, allow_redirects=False
        ) as response:
            got = {name.lower(): value for name, value in (response.headers or {}).items()}
            broken = "" if response.status_code else type(getattr(response, "error", None)).__name__
            seen = Seen(response.status_code or 0, got, response.content or b"", broken)
            what, why = self.count(request, seen)
            if what in (REFUSED, FAILED):
                response.failure(why or f"refused: {seen.status}")
            else:
                response.success()
        return seen

    def hang_up(self, request: Request) -> Seen:
        """Close the connection without waiting for an answer."""
        assert request.misuse is not None
        begun, broken = time.monotonic(), ""
        try:
            with self.connect() as connection:
                connection.sendall(raw(request, urlsplit(str(self.host)).netloc))
                time.sleep(request.misuse.hang_up_s or 0)
        except OSError as error:
            broken = type(error).__name__
        seen = Seen(0, {}, b"", broken)
        what, why = self.count(request, seen)
        took = (time.monotonic() - begun) * 1000
        failure = RuntimeError(why) if what == FAILED else None
        self.environment.events.request.fire(
            request_type="POST", name=f"{self.name} (left)", response_time=took, response_length=0, exception=failure
        )
        return seen

    def connect(self) -> socket.socket:
        parts = urlsplit(str(self.host))
        port = parts.port or (443 if parts.scheme == "https" else 80)
        plain = socket.create_connection((parts.hostname, port), timeout=10)
        if parts.scheme == "http":
            return plain
        return ssl.create_default_context().wrap_socket(plain, server_hostname=parts.hostname)

    def count(self, request: Request, seen: Seen) -> tuple[str, str]:
        seconds = time.monotonic() - self.pace.due
        what, why = outcome(request, seen, seconds, self.traffic.slo.within_s)
        tally.ended(self.name, what, seconds, why)
        return what, why


def raw(request: Request, host: str) -> bytes:
    """As HTTP/1.1 has it, its length that of the whole body also where a part is sent."""
    assert request.misuse is not None
    lines = [f"POST {PATH} HTTP/1.1", f"Host: {host}", f"Content-Length: {len(request.body)}"]
    lines += [f"{name}: {value}" for name, value in request.headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + request.body[: int(len(request.body) * request.misuse.sent)]


def sender(name: str, traffic: Traffic) -> type[Sender]:
    title = "".join(part.capitalize() for part in name.split("-"))
    values = {"name": name, "traffic": traffic, "weight": traffic.users, "network_timeout": traffic.timeout_s + 5}
    return type(title, (Sender,), {**values, "abstract": False, "__module__": __name__})


# Locust looks for user classes among the names of this module.
globals().update({f"Of{number}": sender(*one) for number, one in enumerate(SCENARIO.traffic.items())})


@events.init.add_listener
def look_at_the_host(environment: Any, **_: Any) -> None:
    """Before anything is sent. Locust goes on after an exception here, so the process is ended."""
    try:
        refuse_foreign(environment.host or "", ORDER.own_host)
    except SetupError as error:
        if not isinstance(environment.runner, WorkerRunner):  # a worker is told the host by its master: on_start
            print(f"{error.detail}: {error.hint}", file=sys.stderr)
            sys.exit(2)


@events.test_start.add_listener
def begin(**_: Any) -> None:
    clock["begun"] = time.monotonic()


@events.report_to_master.add_listener
def tell(data: dict[str, Any], **_: Any) -> None:
    data["tally"] = tally.drain()


@events.worker_report.add_listener
def hear(data: dict[str, Any], **_: Any) -> None:
    tally.merge(data.get("tally", {}))


@events.quitting.add_listener
def decide(environment: Any, **_: Any) -> None:
    """The exit code by the objectives; a worker's says nothing of them."""
    if isinstance(environment.runner, WorkerRunner):
        environment.process_exit_code = 0
        return
    seconds = time.monotonic() - clock.get("begun", time.monotonic())
    told = summarise(ORDER.scenario.stem, SCENARIO, tally.rows, seconds)
    if ORDER.out:
        ORDER.out.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    environment.process_exit_code = 0 if told["met"] else 1
