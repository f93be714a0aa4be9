"""A coded note as a table for a person. Takes the response as JSON, wherever it came from."""

from __future__ import annotations

from typing import Any

from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

SHOWN_EVIDENCE = 90
SEVERITY_STYLE = {"error": "bold red", "warning": "yellow", "info": "dim"}


def show(response: dict[str, Any], console: Console) -> None:
    """Print codes with confidence and evidence, the E/M level with its counting, findings and route."""
    parts: list[RenderableType] = [_diagnoses(response["diagnosis_codes"])]
    if response["procedure_codes"]:
        parts.append(_procedures(response["procedure_codes"]))
    parts.append(_em(response["em"]))
    if response["findings"]:
        parts.append(_findings(response["findings"]))
    if response.get("documentation_gaps"):
        parts.append(_gaps(response["documentation_gaps"]))
    parts.append(_route(response["route"]))
    console.print(Panel(Group(*parts), title=f"encounter {response['encounter_id']}", title_align="left"))


def _evidence(spans: list[dict[str, Any]]) -> Text:
    shown = Text()
    for number, span in enumerate(spans):
        words = " ".join(span["text"].split())
        if len(words) > SHOWN_EVIDENCE:
            words = words[: SHOWN_EVIDENCE - 1] + "…"
        if number:
            shown.append("\n")
        shown.append(f"“{words}” ")
        shown.append(f"{span['section']} [{span['start']}, {span['end']})", style="dim")
    return shown


def _confidence(value: float) -> str:
    return f"{value:.2f}"


def _diagnoses(codes: list[dict[str, Any]]) -> RenderableType:
    if not codes:
        return Text("No diagnosis code: nothing in the note is billable as a diagnosis.", style="italic")
    table = Table(title="Diagnoses (ICD-10-CM)", title_justify="left", expand=True)
    for name in ("#", "code", "description", "conf.", "by", "evidence"):
        table.add_column(name, no_wrap=name in ("#", "code", "conf.", "by"))
    for code in codes:
        role = "" if code["role"] == "assessed" else f"  ({code['role'].replace('_', ' ')})"
        table.add_row(
            str(code["sequence"]),
            code["code"],
            code["description"] + role,
            _confidence(code["confidence"]),
            code["decided_by"],
            _evidence(code["evidence"]),
        )
    return table


def _procedures(codes: list[dict[str, Any]]) -> RenderableType:
    table = Table(title="Procedures (CPT, HCPCS)", title_justify="left", expand=True)
    for name in ("code", "modifiers", "units", "description", "conf.", "for dx", "evidence"):
        table.add_column(name, no_wrap=name in ("code", "conf."))
    for code in codes:
        table.add_row(
            code["code"],
            " ".join(code["modifiers"]),
            str(code["units"]),
            "\n".join([code["description"], *_modifier_lines(code["modifier_reasons"]), *_paid(code)]),
            _confidence(code["confidence"]),
            ", ".join(str(pointer) for pointer in code["diagnosis_pointers"]),
            _evidence(code["evidence"]),
        )
    return table


def _modifier_lines(reasons: list[dict[str, Any]]) -> list[str]:
    return [f"{one['modifier']}: {one['reason']}" for one in reasons]


def _paid(code: dict[str, Any]) -> list[str]:
    expected = code.get("expected_reimbursement")
    return [f"expected: {expected['amount']:,.2f} US dollars"] if expected else []


def _item(item: dict[str, Any]) -> str:
    return item["message"] + (" (decided by llm)" if item["decided_by"] == "llm" else "")


def _em(em: dict[str, Any] | None) -> RenderableType:
    if em is None:
        return Text("E/M: none for this encounter.", style="italic")
    modifiers = "".join(f"-{modifier}" for modifier in em.get("modifiers", ()))
    how = f"by {em['method']}, level {em['level']}, conf. {_confidence(em['confidence'])}"
    table = Table(title=f"E/M {em['code']}{modifiers}, {how}", title_justify="left", expand=True)
    for name in ("element", "level", "what counts"):
        table.add_column(name, no_wrap=name != "what counts")
    for name in ("problems", "data", "risk"):
        element = em[name]
        table.add_row(name, element["level"], "\n".join(_item(item) for item in element["items"]))
    for line in _modifier_lines(em.get("modifier_reasons", [])):
        table.add_row("modifier", "", line)
    for line in _paid(em):
        table.add_row("payment", "", line)
    for one in em.get("also", ()):
        modifiers = "".join(f"-{modifier}" for modifier in one["modifiers"])
        table.add_row("also", f"{one['code']}{modifiers}", f"{one['units']} × {one['why']}")
    return table


def _gaps(gaps: list[dict[str, Any]]) -> RenderableType:
    table = Table(title="Open questions", title_justify="left", expand=True)
    for name in ("question", "what an answer would change", "about"):
        table.add_column(name)
    for gap in gaps:
        table.add_row(gap["question"], gap["changes"], _evidence(gap["evidence"]))
    return table


def _findings(findings: list[dict[str, Any]]) -> RenderableType:
    table = Table(title="Findings", title_justify="left", expand=True)
    for name in ("severity", "codes", "message", "source"):
        table.add_column(name)
    for finding in findings:
        style = SEVERITY_STYLE[finding["severity"]]
        table.add_row(
            Text(finding["severity"], style=style),
            " ".join(finding["codes"]),
            f"{finding['message']} {finding['suggestion']}".strip(),
            finding["source"],
        )
    return table


def _route(route: dict[str, Any]) -> Text:
    return Text.assemble(
        ("Route: ", "bold"), route["decision"], f" (threshold {route['threshold']:.2f}): ", "; ".join(route["reasons"])
    )


def show_gaps(answer: dict[str, Any], console: Console) -> None:
    gaps = answer["documentation_gaps"]
    console.print(_gaps(gaps) if gaps else Text("Nothing is left open.", style="italic"))


def show_claim(answer: dict[str, Any], console: Console) -> None:
    """Print the findings about a claim, and the tables that they rest on."""
    findings = answer["findings"]
    console.print(_findings(findings) if findings else Text("No findings.", style="italic"))
    tables = ", ".join(f"{table['name']} {table['version']}" for table in answer["tables"])
    console.print(Text(f"Tables: {tables}", style="dim"))
