"""Walks every route as somebody. Whoever adds a route adds its row to routes.tsv, and here what its path needs."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from codeserve.access.issuer import Issuer
from codeserve.access.settings import AccessSettings
from codeserve.access.table import Rule, Table
from codeserve.adapters.simulators.tokens import credentials
from codeserve.api.auth import add_key
from codeserve.api.stored import Stored
from codeserve.config import PlatformSettings
from codeserve.intake import batches
from codeserve.intake.platforms import open_platforms
from codeserve.storage import keyfile, migrate
from codeserve.storage.engine import Database
from tests.api.fakes import make_app
from tests.worklist.rows import waiting

# Of each parameter of a path: a value that is there, where it is a practice's own then the first practice's.
SAMPLES = {"code": "R07.9", "encounter_id": "e1", "platform": "clinic"}
FIRST, SECOND = "north", "south"
# Bodies of routes that read theirs before they look for the row.
BODIES: dict[str, Any] = {
    "/v1/encounters/{encounter_id}/decisions": {"decisions": [{"action": "accept", "code": "R07.9"}], "review_s": 1},
    "/v1/encounters/{encounter_id}/final-codes": {"diagnosis_codes": ["R07.9"], "procedures": []},
}


@dataclass(frozen=True)
class Walk:
    """The application with all its routes, and a key for every role in two practices."""

    app: Any
    table: Table
    secrets: Mapping[tuple[str, str], str]
    samples: Mapping[str, str] = field(default_factory=lambda: SAMPLES)

    async def ask(self, http: httpx.AsyncClient, rule: Rule, who: tuple[str, str] | None) -> httpx.Response:
        """`who`: a role and a practice; None: nobody."""
        headers = {"Authorization": f"Bearer {self.secrets[who]}"} if who else {}
        path = re.sub(r"\{(\w+)(?::\w+)?\}", lambda match: self.samples[match[1]], rule.path)
        body = {} if rule.method == "GET" else {"json": BODIES.get(rule.path, {})}
        return await http.request(rule.method, path, headers=headers, **body)


def whole_app(folder: Path, table: Table, issuer: Issuer | None = None) -> Walk:
    """All that is optional is switched on here, with rows of the first practice under `SAMPLES`. Everybody has a key,
    or with an `issuer` a token."""
    keys, everybody = folder / "keys", [(role, tenant) for role in table.roles for tenant in (FIRST, SECOND)]
    stored, item_id, job_id = _stored(folder)
    samples = {**SAMPLES, "item_id": item_id, "job_id": job_id}
    if issuer is None:
        secrets = {(role, tenant): add_key(keys, f"{role}.{tenant}", (), (role,), tenant) for role, tenant in everybody}
        return Walk(make_app(keys_file=keys, host="0.0.0.0", stored=stored), table, secrets, samples)
    secrets = {(role, tenant): issuer.token(f"a-{role}", tenant, role, seconds=3600) for role, tenant in everybody}
    callers = AccessSettings.model_validate({"oidc": issuer.settings})
    return Walk(make_app(host="0.0.0.0", callers=callers, stored=stored), table, secrets, samples)


def _stored(folder: Path) -> tuple[Stored, str, str]:
    """A database with an item and a job of the first practice, and a platform of it."""
    keyfile.create(folder / "data-keys.json")
    database = Database(f"sqlite:///{folder / 'walk.db'}", keyfile.load_ring(folder / "data-keys.json"))
    migrate.upgrade(database.engine)
    known = {"CLINIC": json.dumps(credentials(token_url="http://127.0.0.1:9/token")), "CLINIC_SECRET": "a secret"}
    clinic = PlatformSettings(
        adapter="fhir",
        base_url="http://127.0.0.1:9/fhir/",
        tenant=FIRST,
        credentials_env="CLINIC",
        webhook_secret_env="CLINIC_SECRET",
    )
    note = {"document_id": "d1", "text": "chest pain"}
    with database.write() as session:
        job = batches.create(session, database.keys, FIRST, "somebody", [note])
    return Stored(database, open_platforms({"clinic": clinic}, known)), waiting(database, FIRST).id, job.id


async def refusals(walk: Walk, http: httpx.AsyncClient, rule: Rule) -> list[str]:
    """What is not as the table says, for everybody; empty where all is well."""
    wrong = []
    for who in (None, *walk.secrets):
        status = (await walk.ask(http, rule, who)).status_code
        expected = _expected(walk.table, rule, who)
        if (status if status in (401, 403) else 200) != expected:
            wrong.append(f"{rule.method} {rule.path} as {who}: {status}, not {expected}")
    return wrong


def _expected(table: Table, rule: Rule, who: tuple[str, str] | None) -> int:
    """200 stands for any status but 401 and 403: the caller came in."""
    if rule.permission == "public":
        return 200
    if rule.permission == "signature" or who is None:
        return 401
    return 200 if rule.permission in table.roles[who[0]].permissions else 403


async def leaks(walk: Walk, http: httpx.AsyncClient, rule: Rule) -> list[str]:
    """Whether somebody of the second practice, who may use the route, is told of a row of the first: 404 is right."""
    own = "{" in rule.path and rule.permission in walk.table.permissions and rule.path not in SHARED
    wrong = []
    for role in walk.table.roles.values() if own else ():
        if rule.permission in role.permissions:
            status = (await walk.ask(http, rule, (role.name, SECOND))).status_code
            if status != 404:
                wrong.append(f"{rule.method} {rule.path} as {role.name} of another practice: {status}")
    return wrong


# Paths whose parameter names what belongs to everybody.
SHARED = {"/v1/codes/{code}"}
