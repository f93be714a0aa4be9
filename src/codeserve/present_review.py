"""The head of a review list of charts as a table for a person. Patient ids stay in the file."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

SHOWN_PATIENTS, SHOWN_QUESTIONS = 20, 4


def show_review(lines: list[dict[str, Any]], console: Console) -> None:
    """Print the first patients, their scores and questions, and every line that could not be read."""
    patients = [line for line in lines if "problem" not in line]
    if patients:
        console.print(_patients(patients[:SHOWN_PATIENTS]))
        console.print(Text(_assumed(patients), style="dim"))
    if len(patients) > SHOWN_PATIENTS:
        console.print(Text(f"and {len(patients) - SHOWN_PATIENTS} more patients", style="dim"))
    for line in lines:
        if "problem" in line:
            at = f" ({line['field']})" if line["field"] else ""
            console.print(Text(f"line {line['line']}: {line['problem']}: {line['detail']}{at}", style="bold red"))


def _patients(lines: list[dict[str, Any]]) -> Table:
    table = Table(
        title=f"Review list {lines[0]['year']}: raw factor documented, and if recaptured",
        title_justify="left",
        expand=True,
        show_lines=True,
    )
    for name in ("#", "line", "V28", "V24", "open questions"):
        table.add_column(name, no_wrap=name != "open questions", ratio=1 if name == "open questions" else None)
    for line in lines:
        scores = {model["model"]: model for model in line["models"]}
        table.add_row(
            str(line["rank"]), str(line["line"]), _score(scores["V28"]), _score(scores["V24"]), _questions(line)
        )
    return table


def _score(model: dict[str, Any]) -> str:
    told = f"{model['documented']:.3f}"
    if model["if_recaptured"] != model["documented"]:
        told += f"\n→ {model['if_recaptured']:.3f}"
    return told


def _questions(line: dict[str, Any]) -> Text:
    shown = Text()
    for question in line["questions"][:SHOWN_QUESTIONS]:
        shown.append(f"• {question['kind']}: ", style="bold")
        shown.append(question["question"] + "\n")
    more = len(line["questions"]) - SHOWN_QUESTIONS
    if more > 0:
        shown.append(f"  and {more} more\n", style="dim")
    shown.append("; ".join(line["reasons"]), style="dim")
    return shown


def _assumed(patients: list[dict[str, Any]]) -> str:
    number = sum(bool(patient["assumed"]) for patient in patients)
    told = "Raw factors: no normalisation, no coding intensity adjustment. Codes are suggestions, read without the LLM."
    return f"{told} For {number} of {len(patients)} something about the person was assumed (see `assumed`)."
