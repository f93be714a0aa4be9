"""The play: what happens, shown when it happens. Everything is asked of the running service or the platform; nothing is
made up here but the coder, who decides by the codes that the practice submits in the end."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
from rich.console import Console
from rich.table import Table
from sqlalchemy import select

from codeserve.demo.stage import Scene, Stage
from codeserve.errors import StageFailed
from codeserve.intake import charges
from codeserve.rollout.figures import Case, measure
from codeserve.rollout.suggestion import Line, suggestion_of
from codeserve.storage.tables import AuditRow, Charge, Event, Suggestion, WorklistItem

PATIENCE_S = 300.0
REVIEW_S = 48.0  # the played coder's
STEPS = {
    "assisted": ("note fetched", "coded", "draft charge written back", "in the coders' queue", "done"),
    "shadow": ("note fetched", "coded", "no draft charge", "kept where no coder sees it", "done"),
}


def play(stage: Stage, console: Console) -> bool:
    """Whether the trail holds in the end."""
    for scene in stage.scenes:
        _scene(stage, scene, console)
    console.rule("[bold]The audit trail")
    _trail(stage, console)
    command = [str(Path(sys.executable).parent / "codeserve"), "audit", "verify", "--config", str(stage.config)]
    console.print("$ codeserve audit verify", style="dim")
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=PATIENCE_S)
    console.print(done.stdout.strip() or done.stderr.strip(), highlight=False)
    return done.returncode == 0


def _scene(stage: Stage, scene: Scene, console: Console) -> None:
    simulator = stage.simulators[scene.practice]
    console.rule(f"[bold]{scene.practice}, {scene.mode} mode: {scene.note.replace('_', ' ')}")
    document_id = simulator.sign(scene.on_file)
    console.print(f"The platform signs a note of {len(scene.text):,} characters: {document_id}", highlight=False)
    begun = time.monotonic()
    status = asyncio.run(simulator.announce(document_id))
    console.print(f"Its webhook arrives: {status}, stored before it was acknowledged", highlight=False)
    _follow(stage, scene, begun, console)
    item = _item(stage, scene)
    if scene.mode != "shadow":
        suggestion = _look(stage, scene, item.id)
        _show_suggestion(suggestion, console)
        _show_draft(stage, scene, item.document_id, console)
        _show_queue(stage, scene, console)
        _decide(stage, scene, item, suggestion, console)
        _submit(stage, scene, item, console)
    else:
        _show_draft(stage, scene, item.document_id, console)
        _show_queue(stage, scene, console)
        _submit(stage, scene, item, console)
        suggestion = _look(stage, scene, item.id)
        _show_suggestion(suggestion, console)
        _compare(scene, item, suggestion, console)
    console.print()


def _follow(stage: Stage, scene: Scene, begun: float, console: Console) -> None:
    """Each state of the worker's way as it comes."""
    shown, steps = 0, STEPS[scene.mode]
    with console.status("The worker takes it …"):
        while shown < len(steps):
            reached = _reached(stage, scene)
            for step in steps[shown:reached]:
                console.print(f"  {time.monotonic() - begun:6.1f} s  {step}", highlight=False)
            shown = max(shown, reached)
            if time.monotonic() - begun > PATIENCE_S:
                raise StageFailed("the note was not coded in time", hint="see the logs beside the configuration")
            time.sleep(0.1)


def _reached(stage: Stage, scene: Scene) -> int:
    """How many of the STEPS are behind the practice's note."""
    with stage.database.read() as session:

        def of(table: Any) -> Any:
            return session.scalars(select(table).where(table.tenant == scene.practice)).first()

        event = of(Event)
        if event is not None and event.state == "dead":
            raise StageFailed(f"the note was given up: {event.last_error}")
        made, charge, item = of(Suggestion), of(Charge), of(WorklistItem)
        drafted = made is not None and (item is not None or (charge is not None and charge.state == charges.POSTED))
        reached = [event is not None and event.state != "received", made is not None, drafted, item is not None]
        return sum(reached) + (event is not None and event.state == "done")


def _item(stage: Stage, scene: Scene) -> WorklistItem:
    with stage.database.read() as session:
        return session.scalars(select(WorklistItem).where(WorklistItem.tenant == scene.practice)).one()


def _ask(stage: Stage, scene: Scene, method: str, path: str, **rest: Any) -> Any:
    headers = {"Authorization": f"Bearer {stage.keys[scene.practice]}"}
    answer = httpx.request(method, f"{stage.url}{path}", headers=headers, timeout=60, trust_env=False, **rest)
    if answer.is_error:
        raise StageFailed(f"{method} {path.split('/')[2]} was answered with {answer.status_code}")
    return answer.json()


def _look(stage: Stage, scene: Scene, item_id: str) -> Mapping[str, Any]:
    """The suggestion, as a coder's screen gets it; in shadow mode only once the final codes are in."""
    suggestion: Mapping[str, Any] = _ask(stage, scene, "GET", f"/v1/worklist/{item_id}")["suggestion"]
    return suggestion


def _show_suggestion(answer: Mapping[str, Any], console: Console) -> None:
    table = Table("code", "description", "confidence", "evidence", title="Suggested", title_justify="left")
    for one in (*answer["diagnosis_codes"], *answer["procedure_codes"]):
        table.add_row(_code(one), one["description"], f"{one['confidence']:.2f}", _evidence(one["evidence"]))
    if (em := answer["em"]) is not None:
        table.add_row(_code(em), f"visit, {em['level']} by {em['method']}", f"{em['confidence']:.2f}", "")
    console.print(table)
    for finding in answer["findings"]:
        console.print(f"  {finding['severity']}: {finding['message']}", highlight=False)


def _show_draft(stage: Stage, scene: Scene, document_id: str, console: Console) -> None:
    drafts = stage.simulators[scene.practice].drafts(charges.reference(document_id))
    if not drafts:
        console.print("No draft charge in the platform: shadow mode writes nothing.", highlight=False)
    for draft in drafts:
        console.print(f"The platform holds one draft charge, {draft.reference}:", highlight=False)
        console.print(f"  diagnoses  {', '.join(draft.diagnoses)}", highlight=False)
        for line in draft.lines:
            code, points = "-".join((line.code, *line.modifiers)), ", ".join(map(str, line.diagnosis_pointers))
            console.print(f"  line       {code} × {line.units}, for diagnosis {points}", highlight=False)


def _show_queue(stage: Stage, scene: Scene, console: Console) -> None:
    page = _ask(stage, scene, "GET", "/v1/worklist")["items"]
    if not page:
        console.print("The coders' queue stays empty.", highlight=False)
    for item in page:
        console.print(f"In the coders' queue with priority {item['priority']:.1f}:", highlight=False)
        for reason in item["reasons"]:
            console.print(f"  {reason}", highlight=False)


def _decide(stage: Stage, scene: Scene, item: WorklistItem, answer: Mapping[str, Any], console: Console) -> None:
    _ask(stage, scene, "POST", f"/v1/worklist/{item.id}/claim", json={"lease_minutes": 15})
    decisions = decisions_of(answer, scene.final, scene.because)
    body = {"decisions": decisions, "review_s": REVIEW_S}
    _ask(stage, scene, "POST", f"/v1/encounters/{item.encounter_id}/decisions", json=body)
    table = Table("decision", "code", "reason", title="A coder takes the item and decides", title_justify="left")
    for one in decisions:
        table.add_row(one["action"], one.get("code") or one["new_code"], one.get("reason", ""))
    console.print(table)


def decisions_of(
    answer: Mapping[str, Any], final: Mapping[str, Any], because: Mapping[str, str]
) -> list[dict[str, str]]:
    """What a coder decides who submits these codes in the end."""
    em = answer["em"]
    visits = [em["code"], *(one["code"] for one in em["also"])] if em else []
    suggested = [*(one["code"] for one in (*answer["diagnosis_codes"], *answer["procedure_codes"])), *visits]
    wanted = [*final["diagnosis_codes"], *(one["code"] for one in final["procedures"])]
    kept = [{"action": "accept", "code": code} for code in dict.fromkeys(suggested) if code in wanted]
    gone = [
        {"action": "reject", "code": code, "reason": because.get(code, "other")}
        for code in dict.fromkeys(suggested)
        if code not in wanted
    ]
    new = [
        {"action": "override", "new_code": code, "reason": "missing_code"} for code in wanted if code not in suggested
    ]
    return [*kept, *gone, *new]


def _submit(stage: Stage, scene: Scene, item: WorklistItem, console: Console) -> None:
    path = f"/v1/encounters/{item.encounter_id}/final-codes"
    compared = _ask(stage, scene, "POST", path, json=scene.final)["comparison"]
    told: dict[str, Callable[[], str]] = {
        "the same": lambda: ", ".join(compared["same"]),
        "suggested only": lambda: ", ".join(compared["added"]),
        "submitted only": lambda: ", ".join(compared["missing"]),
        "of one family": lambda: "; ".join(
            f"{', '.join(one['proposed'])} suggested, {', '.join(one['existing'])} submitted"
            for one in compared["conflicting"]
        ),
    }
    final = len(scene.final["diagnosis_codes"]) + len(scene.final["procedures"])
    console.print(
        f"The practice submits {final} codes; {len(compared['same'])} of them were suggested", highlight=False
    )
    for name, codes in told.items():
        if codes():
            console.print(f"  {name:14}  {codes()}", highlight=False)


def _compare(scene: Scene, item: WorklistItem, answer: Mapping[str, Any], console: Console) -> None:
    """The figures by which a practice goes on from shadow to assisted mode, of this one note."""
    final = [Line(code, True) for code in scene.final["diagnosis_codes"]]
    final += [Line(one["code"], False, frozenset(one.get("modifiers", ()))) for one in scene.final["procedures"]]
    case = Case(suggestion_of(item.suggestion_id, answer), tuple(final), datetime.now(UTC))
    figures = measure([case])
    console.print("What shadow mode counts, of this note alone:", highlight=False)
    for name in ("exact", "lines", "modifiers", "overrides"):
        figure = getattr(figures, name)
        if figure is not None:
            interval = f"{figure.value:.2f} ({figure.low:.2f} to {figure.high:.2f}, of {figure.count})"
            console.print(f"  {name:10} {interval}", highlight=False)


def _trail(stage: Stage, console: Console) -> None:
    table = Table("practice", "no.", "time", "who", "what")
    with stage.database.read() as session:
        for row in session.scalars(select(AuditRow).order_by(AuditRow.tenant, AuditRow.seq)):
            table.add_row(row.tenant, str(row.seq), f"{row.at:%H:%M:%S}", row.actor, row.action)
    console.print(table)


def _code(line: Mapping[str, Any]) -> str:
    return "-".join((line["code"], *line.get("modifiers", ())))


def _evidence(spans: list[Mapping[str, Any]]) -> str:
    return " … ".join(" ".join(str(span["text"]).split()) for span in spans[:2])
