"""The HTTP application over a coding service. It runs in a Ray Serve replica as well as under plain uvicorn."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from codeserve import __version__
from codeserve.access.settings import AccessSettings
from codeserve.access.table import load_table
from codeserve.api import logs, openapi, problems
from codeserve.api.admission import Admission
from codeserve.api.auth import Keys
from codeserve.api.drain import Drain
from codeserve.api.exchange import Figures, Shell
from codeserve.api.guard import Access, require_rules
from codeserve.api.idempotency import Answers
from codeserve.api.metrics import Metrics
from codeserve.api.observe import Observer
from codeserve.api.routes import router
from codeserve.api.service import Service
from codeserve.config import GatewaySettings
from codeserve.errors import CodeserveError

if TYPE_CHECKING:
    from codeserve.api.stored import Stored

logger = logging.getLogger(__name__)


def create_app(
    service: Service,
    settings: GatewaySettings,
    *,
    metrics: Metrics | None = None,
    figures: Figures | None = None,
    echo_request_id: bool = True,
    callers: AccessSettings | None = None,
    stored: Stored | None = None,
) -> FastAPI:
    """Raises SetupError when the keys cannot be read, when there are none and the host is not loopback, and for a route
    that data/access/routes.tsv does not have.

    `figures`: what /metrics answers, if not this replica's alone. `echo_request_id`: see Observer; off under Ray Serve.
    `callers`: who may call beside the holders of API keys.
    `stored`: the database and the platforms; without them their routes are not there.
    """
    logs.configure()
    access = _access(settings, callers)
    access.require_loopback(settings.host)
    if access.open:
        logger.warning("no API key is configured: every caller on loopback is taken, no other")
    metrics = metrics or Metrics()
    app = describe_app(stored is not None)
    admission = Admission(settings, metrics.refused)
    metrics.watch(admission.gate)
    answers = Answers(settings.idempotency.max_answers, settings.idempotency.keep_s)
    app.state.shell = Shell(
        service, settings, access, metrics, figures or _own(metrics), admission, answers, Drain(), stored
    )
    app.add_middleware(Observer, metrics=metrics, echo_request_id=echo_request_id)
    for kind in (CodeserveError, HTTPException, RequestValidationError):
        app.add_exception_handler(kind, _on_error)
    require_rules(app.routes, access.table)
    return app


def describe_app(with_storage: bool = True) -> FastAPI:
    """The routes and their description, without a service behind them."""
    app = FastAPI(title="codeserve", version=__version__, redoc_url=None, redirect_slashes=False)
    app.include_router(router)
    if with_storage:
        # SQLAlchemy and the adapters are loaded only where they are used.
        from codeserve.api import routes_intake, routes_jobs, routes_worklist

        for routes in (routes_intake, routes_worklist, routes_jobs):
            app.include_router(routes.router)

    def describe() -> dict[str, Any]:
        app.openapi_schema = app.openapi_schema or openapi.describe(app)
        return app.openapi_schema

    app.openapi = describe  # type: ignore[method-assign]  # FastAPI's documented way to extend it
    return app


def _access(settings: GatewaySettings, callers: AccessSettings | None) -> Access:
    table = load_table()
    tokens = None
    if callers is not None and callers.oidc is not None:
        from codeserve.access.tokens import Tokens

        tokens = Tokens(callers.oidc, table)
    return Access(Keys(settings.keys_file, os.environ), table, tokens)


def _own(metrics: Metrics) -> Figures:
    async def text() -> bytes:
        return metrics.text()

    return text


async def _on_error(request: Request, error: Exception) -> Response:
    problem = problems.problem_of(error, request.state.call.request_id)
    request.state.call.problem = problem.type.removeprefix(problems.TYPE_PREFIX)
    request.app.state.shell.metrics.problem(request.state.call.problem)
    return problems.respond(problem, problems.headers_of(error))
