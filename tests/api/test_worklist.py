"""The coders' queue over HTTP, on both databases."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import select

from codeserve.api.auth import add_key
from codeserve.api.stored import Stored
from codeserve.intake.platforms import Platforms
from codeserve.storage.engine import Database
from codeserve.storage.sealing import unseal_json
from codeserve.storage.tables import AuditRow, Decision, FinalCodes, WorklistItem
from tests.api.fakes import make_app, request
from tests.worklist.rows import waiting

ACCEPT = {"action": "accept", "code": "R07.9"}


class Queue:
    def __init__(self, database: Database, folder: Path) -> None:
        self.database = database
        keys = folder / "keys"
        people = {"ann": ("coder", "north"), "bob": ("senior_coder", "north"), "eve": ("coder", "south")}
        self.secrets = {name: add_key(keys, name, (), (role,), tenant) for name, (role, tenant) in people.items()}
        self.app = make_app(keys_file=keys, stored=Stored(database, Platforms({})))

    def ask(self, method: str, path: str, who: str = "ann", **rest: Any) -> httpx.Response:
        return request(self.app, method, path, headers={"Authorization": f"Bearer {self.secrets[who]}"}, **rest)

    def listed(self, who: str = "ann", **filters: Any) -> list[str]:
        answer = self.ask("GET", "/v1/worklist", who, params=filters)
        assert answer.status_code == 200, answer.text
        return [item["item_id"] for item in answer.json()["items"]]

    def trail(self, tenant: str = "north") -> list[tuple[str, str]]:
        with self.database.read() as session:
            rows = session.scalars(select(AuditRow).where(AuditRow.tenant == tenant).order_by(AuditRow.seq))
            return [(row.actor, row.action) for row in rows]


@pytest.fixture
def desk(database: Database, tmp_path: Path) -> Queue:
    return Queue(database, tmp_path)


def test_the_most_urgent_comes_first_page_by_page(desk: Queue) -> None:
    made = [waiting(desk.database, encounter_id=f"e{n}", priority=float(n % 5)) for n in range(12)]
    expected = [item.id for item in sorted(made, key=lambda i: (i.priority, i.id), reverse=True)]
    seen: list[str] = []
    cursor: str | None = None
    while True:
        page = desk.ask("GET", "/v1/worklist", params={"limit": 5, **({"cursor": cursor} if cursor else {})}).json()
        seen += [item["item_id"] for item in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert seen == expected


def test_filters(desk: Queue) -> None:
    plain = waiting(desk.database, encounter_id="e1", lowest_confidence=0.9, findings=0, expected_amount=5_000)
    doubtful = waiting(desk.database, encounter_id="e2", lowest_confidence=0.3, findings=4, expected_amount=90_000)
    other = waiting(desk.database, encounter_id="e3", specialty="dermatology", lowest_confidence=None)
    assert set(desk.listed()) == {plain.id, doubtful.id, other.id}
    assert desk.listed(max_confidence=0.5) == [doubtful.id]
    assert doubtful.id in desk.listed(min_findings=3)
    assert desk.listed(min_amount=100) == [doubtful.id]
    assert desk.listed(specialty="dermatology") == [other.id]
    assert desk.listed(encounter_id="e1") == [plain.id]
    assert desk.listed(state="final") == []


def test_a_wrong_parameter_is_named(desk: Queue) -> None:
    for wrong in ({"limit": 0}, {"cursor": "never"}, {"state": "lost"}, {"max_confidence": 2}):
        answer = desk.ask("GET", "/v1/worklist", params=wrong)
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["field"] == next(iter(wrong))


def test_an_item_shows_its_suggestion_and_that_is_in_the_trail(desk: Queue) -> None:
    item = waiting(desk.database)
    shown = desk.ask("GET", f"/v1/worklist/{item.id}").json()
    assert [d["code"] for d in shown["suggestion"]["diagnosis_codes"]] == ["R07.9"]
    assert shown["draft"] == {"state": "posted", "reference": f"cs-{item.document_id}", "platform_id": "claim-1"}
    assert (shown["mode"], shown["decisions"], shown["final_codes"]) == ("assisted", [], None)
    assert ("ann", "VIEWED") in desk.trail()


def test_a_claim_holds_until_it_runs_out(desk: Queue) -> None:
    item = waiting(desk.database)
    path = f"/v1/worklist/{item.id}/claim"
    taken = desk.ask("POST", path, json={"lease_minutes": 30})
    assert (taken.status_code, taken.json()["claimed_by"]) == (200, "ann")
    assert desk.listed() == []
    assert desk.listed(state="claimed", mine=True) == [item.id]
    assert desk.ask("POST", path, "bob", json={}).status_code == 409
    assert desk.ask("POST", path, json={}).status_code == 200
    with desk.database.write() as session:
        session.get_one(WorklistItem, ("north", item.id)).lease_until = datetime.now(UTC) - timedelta(seconds=1)
    assert desk.listed() == [item.id]
    assert desk.listed(state="claimed") == []
    assert desk.ask("POST", path, "bob", json={}).json()["claimed_by"] == "bob"


def test_who_may_give_an_item_back_or_away(desk: Queue) -> None:
    item = waiting(desk.database)
    path = f"/v1/worklist/{item.id}/claim"
    assert desk.ask("POST", path, json={"coder": "bob"}).status_code == 403
    assert desk.ask("POST", path, "bob", json={"coder": "ann"}).json()["claimed_by"] == "ann"
    assert desk.trail() == [("bob", "CLAIMED")]
    assert desk.ask("DELETE", path, "bob").json()["state"] == "open"
    assert desk.ask("DELETE", path).status_code == 409


def test_decisions_and_final_codes(desk: Queue) -> None:
    item = waiting(desk.database)
    decisions = [
        ACCEPT,
        {"action": "edit", "code": "99213", "new_code": "99214", "reason": "wrong_level", "comment": "more data"},
        {"action": "reject", "code": "93000", "reason": "not_documented"},
        {"action": "override", "new_code": "I10", "reason": "missing_code"},
    ]
    decided = desk.ask("POST", "/v1/encounters/e1/decisions", json={"decisions": decisions, "review_s": 41.5})
    assert (decided.status_code, decided.json()["state"]) == (200, "decided")
    codes = {"diagnosis_codes": ["R07.9", "I10"], "procedures": [{"code": "99214", "modifiers": ["25"]}]}
    final = desk.ask("POST", "/v1/encounters/e1/final-codes", json=codes)
    assert final.status_code == 200, final.text
    assert final.json()["comparison"] == {
        "same": ["R07.9"],
        "added": ["93000"],
        "missing": ["I10"],
        "conflicting": [{"family": "office visit", "existing": ["99214"], "proposed": ["99213"]}],
    }
    shown = desk.ask("GET", f"/v1/worklist/{item.id}").json()
    assert shown["item"]["state"] == "final"
    assert shown["decisions"][1]["comment"] == "more data"
    assert shown["final_codes"]["procedures"] == [{"code": "99214", "modifiers": ["25"], "units": 1}]
    actions = [action for _, action in desk.trail()]
    assert actions == ["ACCEPTED", "EDITED", "REJECTED", "OVERRIDDEN", "FINAL_CODES", "VIEWED"]
    with desk.database.read() as session:
        row = session.scalars(select(Decision).where(Decision.action == "edit")).one()
        assert unseal_json(desk.database.keys, row, "reason") == {"reason": "wrong_level", "comment": "more data"}
        details = session.scalars(select(AuditRow.details).where(AuditRow.action == "EDITED")).one()
        assert "more data" not in details


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"code": "E11.9"}, "decisions.0.code"),
        ({"code": None}, "decisions.0.code"),
        ({"action": "edit"}, "decisions.0.new_code"),
        ({"new_code": "I10"}, "decisions.0.new_code"),
        ({"action": "reject"}, "decisions.0.reason"),
        ({"action": "reject", "reason": "dislike"}, "decisions.0.reason"),
    ],
)
def test_a_wrong_decision_is_refused_with_its_field(desk: Queue, change: dict[str, Any], field: str) -> None:
    waiting(desk.database)
    body = {"decisions": [{**ACCEPT, **change}], "review_s": 1}
    answer = desk.ask("POST", "/v1/encounters/e1/decisions", json=body)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == field
    assert desk.trail() == []


def test_who_holds_an_item_decides(desk: Queue) -> None:
    item = waiting(desk.database)
    desk.ask("POST", f"/v1/worklist/{item.id}/claim", "bob", json={})
    body = {"decisions": [ACCEPT], "review_s": 1}
    assert desk.ask("POST", "/v1/encounters/e1/decisions", json=body).status_code == 409
    assert desk.ask("POST", "/v1/encounters/e1/decisions", "bob", json=body).status_code == 200


def test_final_codes_settle_shadow_items_which_no_coder_sees(desk: Queue) -> None:
    item = waiting(desk.database, mode="shadow")
    assert desk.listed() == []
    assert desk.ask("GET", "/v1/worklist", params={"state": "shadow"}).status_code == 422
    assert desk.ask("GET", f"/v1/worklist/{item.id}").status_code == 404
    assert desk.ask("POST", f"/v1/worklist/{item.id}/claim", json={}).status_code == 404
    body = {"decisions": [ACCEPT], "review_s": 1}
    assert desk.ask("POST", "/v1/encounters/e1/decisions", json=body).status_code == 404
    codes = {"diagnosis_codes": ["R07.9"], "procedures": [{"code": "99213"}, {"code": "93000"}]}
    final = desk.ask("POST", "/v1/encounters/e1/final-codes", json=codes).json()
    assert final["comparison"]["same"] == ["R07.9", "99213", "93000"]
    assert final["item"]["item_id"] == item.id
    assert desk.ask("GET", f"/v1/worklist/{item.id}").json()["mode"] == "shadow"


def test_of_several_notes_one_is_named(desk: Queue) -> None:
    one, _ = waiting(desk.database), waiting_again(desk.database)
    body = {"decisions": [ACCEPT], "review_s": 1}
    refused = desk.ask("POST", "/v1/encounters/e1/decisions", json=body)
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "item_id")
    named = desk.ask("POST", "/v1/encounters/e1/decisions", json={**body, "item_id": one.id})
    assert named.json()["item_id"] == one.id


def waiting_again(database: Database) -> WorklistItem:
    item = waiting(database, encounter_id="another")
    with database.write() as session:
        session.get_one(WorklistItem, (item.tenant, item.id)).encounter_id = "e1"
    return item


def test_another_practice_sees_nothing(desk: Queue) -> None:
    item = waiting(desk.database)
    assert desk.listed("eve") == []
    body = {"decisions": [ACCEPT], "review_s": 1}
    for method, path, sent in (
        ("GET", f"/v1/worklist/{item.id}", None),
        ("POST", f"/v1/worklist/{item.id}/claim", {}),
        ("DELETE", f"/v1/worklist/{item.id}/claim", None),
        ("POST", "/v1/encounters/e1/decisions", body),
        ("POST", "/v1/encounters/e1/final-codes", {"diagnosis_codes": [], "procedures": []}),
    ):
        assert desk.ask(method, path, "eve", json=sent).status_code == 404
    with desk.database.read() as session:
        assert session.scalars(select(FinalCodes)).first() is None


def test_without_storage_the_routes_are_not_there() -> None:
    for method, path in (
        ("GET", "/v1/worklist"),
        ("POST", "/v1/webhooks/clinic"),
        ("POST", "/v1/encounters/e/decisions"),
    ):
        assert request(make_app(), method, path).status_code == 404
