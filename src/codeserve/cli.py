"""The command line."""

from __future__ import annotations

import sys
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from codeserve.cli_audit import audit_app
from codeserve.cli_intake import intake_app, worker
from codeserve.cli_storage import data_keys_app, db_app
from codeserve.config import home, keep_to_home
from codeserve.errors import CodeserveError

app = typer.Typer(
    name="codeserve",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,  # their local variables could show a note
    rich_markup_mode="markdown",
    help="A signed clinical note in; ICD-10-CM, CPT and HCPCS codes with evidence and the E/M level out.",
)
keys_app = typer.Typer(no_args_is_help=True, help="API keys: made once, shown once, stored hashed.")
app.add_typer(keys_app, name="keys")
import_app = typer.Typer(no_args_is_help=True, help="Official tables that may not come with the package.")
app.add_typer(import_app, name="import")
app.add_typer(db_app, name="db")
app.add_typer(intake_app, name="intake")
app.command()(worker)
app.add_typer(data_keys_app, name="data-keys")
app.add_typer(audit_app, name="audit")
console = Console()
errors = Console(stderr=True)

ConfigOption = Annotated[Path, typer.Option("--config", "-c", help="Ray Serve configuration file.")]
DEFAULT_CONFIG = Path("serve_config.yaml")


def main() -> None:
    """Run a command; an error of ours is one clear line with what to do next, not a stack trace."""
    keep_to_home(home())
    try:
        app()
    except CodeserveError as error:
        errors.print(f"[bold red]codeserve:[/] {error.detail}", soft_wrap=True)
        for wrong in getattr(error, "errors", ()):  # the fields of a body that was refused
            errors.print(f"  {wrong.field}: {wrong.message}", soft_wrap=True, markup=False)
        if error.hint:
            errors.print(f"  {error.hint}", soft_wrap=True)
        sys.exit(1)


@app.command()
def setup() -> None:
    """Prepare models and tables; what is there already is left alone.

    Example: `codeserve setup`
    """
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

    from codeserve import setup as preparation

    steps = preparation.steps(home())
    columns = (TextColumn("{task.description:32}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as bars:
        tasks = {step.name: bars.add_task(step.title, total=1.0) for step in steps}
        preparation.run(home(), steps, lambda step, share: bars.update(tasks[step.name], completed=share))


@app.command()
def serve(
    config: ConfigOption = DEFAULT_CONFIG,
    host: Annotated[str | None, typer.Option(help="Address to listen on; the configuration's if not given.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; the configuration's if not given.")] = None,
    example: Annotated[Path | None, typer.Option(help="Code this note once the service is ready.")] = None,
    wait_s: Annotated[float, typer.Option(help="Give up when the service is not ready after so many seconds.")] = 300,
) -> None:
    """Start the service on a Ray cluster of its own and keep serving. Ctrl-C or SIGTERM drains and stops it.

    Examples: `codeserve serve`, `codeserve serve --port 8080 --example examples/notes/ankle_injury.txt`
    """
    from codeserve.deployments.serving import serve_until_stopped

    serve_until_stopped(config, host, port, example, wait_s, console)


@app.command()
def check(
    config: Annotated[Path, typer.Argument(help="A Serve configuration, or a RayService manifest that holds one.")],
    grace_s: Annotated[
        float | None, typer.Option(help="Seconds from SIGTERM to SIGKILL; a manifest says them.")
    ] = None,
    pre_stop_s: Annotated[float, typer.Option(help="Seconds of a preStop pause before SIGTERM.")] = 0,
    gpus: Annotated[float | None, typer.Option(help="The most GPUs that the cluster may have.")] = None,
    cpus: Annotated[float | None, typer.Option(help="The most CPU cores that the cluster may have.")] = None,
) -> None:
    """Refuse a configuration that cannot work, each fault with its key, before anything starts. Exits with 1 then.

    Examples: `codeserve check serve_config.yaml`, `codeserve check serve_config.gpu.yaml --grace-s 90 --gpus 8`
    """
    from codeserve.deployments.check_file import check_file
    from codeserve.preflight import Surroundings

    if not check_file(config, Surroundings(grace_s, pre_stop_s, gpus, cpus), console):
        raise typer.Exit(1)


@app.command()
def demo(
    config: ConfigOption = DEFAULT_CONFIG,
    examples: Annotated[Path, typer.Option(help="Folder of the example notes.")] = Path("examples"),
    port: Annotated[int, typer.Option(help="Port to listen on.")] = 8000,
) -> None:
    """Play the whole way with two simulated platforms: a signed note, its webhook, the real chain, the draft charge,
    the coders' queue, decisions, final codes, the shadow comparison and the audit trail. What is stored goes with it.

    Example: `codeserve demo`
    """
    from codeserve.demo.command import run

    if not run(config, examples, port, console):
        raise typer.Exit(1)


@app.command()
def capacity(
    notes_per_day: Annotated[float, typer.Option(min=1, help="Notes that come in a day.")],
    p99: Annotated[float, typer.Option(min=0.001, help="Seconds within which 99 % are answered in the busiest hour.")],
    busiest_hour: Annotated[float, typer.Option(min=0.0417, max=1, help="Its share of the day's notes.")] = 0.15,
    spare: Annotated[int, typer.Option(min=0, help="Chains that may be lost or updated in that hour.")] = 1,
    price: Annotated[float | None, typer.Option(min=0, help="Of one chain's machine an hour, for the cost.")] = None,
    profile: Annotated[Path | None, typer.Option(help="A measured chain; that of two cores if not given.")] = None,
) -> None:
    """Replicas, cores, GPUs and cost for a load, from measured figures.

    Example: `codeserve capacity --notes-per-day 20000 --p99 10 --price 0.08`
    """
    from codeserve.capacity.command import show_plan
    from codeserve.capacity.plan import Profile, Wish

    wish = Wish(notes_per_day, p99, busiest_hour, spare, price=price)
    show_plan(wish, Profile.load(profile), console)


@app.command()
def code(
    note: Annotated[Path, typer.Argument(help="A text file with one note, or - for standard input.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print the response as JSON.")] = False,
    encounter: Annotated[Path | None, typer.Option(help="JSON file with the encounter's fields.")] = None,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Code one note in this process; no server is needed.

    Examples: `codeserve code examples/notes/ankle_injury.txt`, `codeserve code - --json < note.txt`
    """
    from codeserve.commands import code_one

    code_one(note, encounter, config, as_json, console)


@app.command()
def gaps(
    note: Annotated[Path, typer.Argument(help="A text file with one note, finished or not, or - for standard input.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print the response as JSON.")] = False,
    encounter: Annotated[Path | None, typer.Option(help="JSON file with the encounter's fields.")] = None,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Show what a note leaves open, as neutral questions to its author. No model but retrieval is started.

    Example: `codeserve gaps examples/notes/cardiology_heart_failure.txt`
    """
    from codeserve.commands import ask_about

    ask_about(note, encounter, config, as_json, console)


@app.command()
def validate(
    claim: Annotated[
        Path, typer.Argument(help="JSON with a claim as for /v1/validate-codes, or - for standard input.")
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print the response as JSON.")] = False,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Check the codes of a claim. Exits with 1 where a finding is an error. With a note in it, the models are started.

    Example: `codeserve validate examples/claim.json`
    """
    from codeserve.commands import validate_claim

    if not validate_claim(claim, config, as_json, console):
        raise typer.Exit(1)


@app.command()
def hcc(
    charts: Annotated[Path, typer.Argument(help="JSON Lines, a patient a line: person, prior_diagnoses, notes.")],
    target: Annotated[
        Path, typer.Argument(help="JSON Lines, most to recapture first. It will hold ids and words of notes.")
    ],
    year: Annotated[
        int | None, typer.Option(min=1990, max=2100, help="Year of service to review; this year if not given.")
    ] = None,
    as_of: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Count the days left in the year from this day.")
    ] = None,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Review a year of many charts for risk adjustment (CMS-HCC V28 and V24): which codes carry a category, the raw
    factor, earlier conditions that the year does not show, and conditions that drugs and results suggest. All that is
    open is a question with its evidence, never a code.

    Example: `codeserve hcc examples/charts.jsonl review.jsonl --year 2026`
    """
    from codeserve.commands import review_charts

    review_charts(charts, target, year, as_of, config, console)


@app.command()
def batch(
    source: Annotated[Path, typer.Argument(help="JSON Lines, a request body a line.")],
    target: Annotated[Path, typer.Argument(help="JSON Lines, a response or a problem document a line, same order.")],
    resume: Annotated[bool, typer.Option(help="Go on behind the lines that TARGET holds already.")] = False,
    concurrency: Annotated[int, typer.Option(min=1, max=256, help="Notes under way at once.")] = 16,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Code many notes in this process. A bad line becomes a problem document on its line, the rest goes on.

    Examples: `codeserve batch notes.jsonl codes.jsonl`, `codeserve batch notes.jsonl codes.jsonl --resume`
    """
    from codeserve.commands import code_many

    code_many(source, target, resume, concurrency, config, console)


@app.command()
def redact(
    source: Annotated[Path, typer.Argument(help="A text file with one note, - for standard input, or JSON Lines.")],
    target: Annotated[Path | None, typer.Argument(help="JSON Lines: document_id, redacted, spans.")] = None,
    spans: Annotated[
        bool, typer.Option("--spans", help="One note: also print the kind and offsets of what went.")
    ] = False,
) -> None:
    """Show a note as the models see it, or redact many: `document_id` and `text` a line in.

    Examples: `codeserve redact examples/notes/ankle_injury.txt --spans`, `codeserve redact notes.jsonl redacted.jsonl`
    """
    from codeserve.commands import redact_many, redact_one

    if target is None:
        redact_one(source, spans, console)
    else:
        redact_many(source, target, console)


@app.command("eval")
def evaluate(
    notes: Annotated[list[Path], typer.Option("--notes", help="JSON Lines with notes; may be given several times.")],
    gold: Annotated[
        list[Path], typer.Option("--gold", help="JSON Lines with their codes; may be given several times.")
    ],
    report: Annotated[Path, typer.Option("--report", help="Folder for the report; it will hold note text.")],
    ablate: Annotated[
        list[str] | None,
        typer.Option(
            help="no-llm, no-lexicon, no-dense, no-sections, no-selection, or all; may be given several times."
        ),
    ] = None,
    llm: Annotated[bool, typer.Option(help="--no-llm: the first candidate answers; quick, for trying rules.")] = True,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Score the suggestions and their confidence against gold codes; plots and a page a note to read errors by.

    Example: `codeserve eval --notes evaluation/gold/general_notes.jsonl --gold evaluation/gold/general_gold.jsonl
    --report runs/report --ablate all`
    """
    from codeserve.evaluation.command import evaluate as run

    run(notes, gold, report, ablate or [], llm, config, console)


@app.command()
def lookup(
    term: Annotated[str, typer.Argument(help="Words that name a condition or a service.")],
    limit: Annotated[int, typer.Option(min=1, max=50, help="How many candidates.")] = 10,
    procedures: Annotated[bool, typer.Option("--procedures", help="Search CPT and HCPCS instead.")] = False,
) -> None:
    """Show the candidate codes that retrieval finds for a term.

    Examples: `codeserve lookup "type 2 diabetes with neuropathy"`, `codeserve lookup --procedures "knee injection"`
    """
    from codeserve.commands import look_up

    look_up(term, limit, procedures, console)


@app.command()
def doctor(config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Say what is installed and prepared, what is missing, and the command that mends it.

    Example: `codeserve doctor`
    """
    from codeserve.commands import examine

    if not examine(config, console):
        raise typer.Exit(1)


@import_app.command("icd10cm-index")
def import_icd10cm_index(
    file: Annotated[Path, typer.Argument(help="The CDC's icd10cm-index, -neoplasm or -eindex XML of a year.")],
) -> None:
    """Add an alphabetical index to the lexicon, beneath its own rows; a second import of the same kind replaces it.

    Example: `codeserve import icd10cm-index icd10cm-index-2026.xml`
    """
    from codeserve.commands import import_index

    import_index(file, console)


Files = Annotated[list[Path], typer.Argument(help="The release's file, or all its parts: text, csv or xlsx.")]
Effective = Annotated[
    datetime, typer.Option(formats=["%Y-%m-%d"], help="The first day of service that the release is for.")
]


def _official(name: str, what: str, example: str) -> None:
    """One command a table; they differ in nothing but their names."""

    def take(files: Files, effective: Effective) -> None:
        from codeserve.commands import import_official

        import_official(name, files, effective, console)

    take.__doc__ = f"Take {what}. A file that is cut or of another kind is refused, and what was in force stays.\n\n"
    take.__doc__ += f"Example: `codeserve import {name} {example}`"
    import_app.command(name)(take)


for _name, _what, _example in (
    ("ncci-ptp", "CMS's NCCI pairs", "ccipra-v322r0-f1.txt ccipra-v322r0-f2.txt --effective 2026-07-01"),
    ("ncci-mue", "CMS's medically unlikely edits", "MCR_MUE_PractitionerServices.xlsx --effective 2026-07-01"),
    ("ncci-add-ons", "CMS's add-on code edits", "AOC_V2026Q3.txt --effective 2026-07-01"),
    ("fee-schedule", "CMS's relative value file", "PPRRVU26_JUL.csv --effective 2026-01-01"),
    ("hcpcs", "HCPCS Level II", "HCPC2026_JUL_ANWEB.txt --effective 2026-07-01"),
    ("cpt", "an AMA file of descriptors that you hold a licence for", "LONGULT.txt --effective 2026-01-01"),
    ("necessity", "coverage policies", "articles.csv --effective 2026-01-01"),
):
    _official(_name, _what, _example)


@import_app.command("icd10cm-tabular")
def import_icd10cm_tabular(
    tabular: Annotated[Path, typer.Argument(help="The CDC's icd10cm-tabular XML.")],
    codes: Annotated[Path, typer.Argument(help="The list of codes of the same release, one a line.")],
    effective: Effective,
) -> None:
    """Take another release of ICD-10-CM, for claims of its days. Notes are coded with the package's own.

    Example: `codeserve import icd10cm-tabular icd10cm-tabular-2027.xml icd10cm-codes-2027.txt --effective 2026-10-01`
    """
    from codeserve.commands import import_icd10cm

    import_icd10cm(tabular, codes, effective, console)


@import_app.command("list")
def import_list() -> None:
    """Show the tables in force with their days and sources, and every import so far.

    Example: `codeserve import list`
    """
    from codeserve.commands import list_imports

    list_imports(console)


KeysFile = Annotated[Path, typer.Option("--file", help="The file of hashed keys.")]
DEFAULT_KEYS = Path("keys.txt")


@keys_app.command("create")
def keys_create(
    name: Annotated[str, typer.Argument(help="Who the key is for, such as the adapter's name.")],
    file: KeysFile = DEFAULT_KEYS,
    role: Annotated[list[str] | None, typer.Option(help="What the caller is; none given: adapter.")] = None,
    tenant: Annotated[str, typer.Option(help="The practice whose data the key may see.")] = "default",
    scope: Annotated[list[str] | None, typer.Option(help="Only these permissions of the roles.")] = None,
) -> None:
    """Make a key, store its hash, and show the key once. Roles: docs/security.md.

    Example: `codeserve keys create drchrono-adapter --file keys.txt`

    Example: `codeserve keys create jane --role senior_coder --tenant northside`
    """
    from codeserve.api import auth

    secret = auth.add_key(file, name, tuple(scope or ()), tuple(role or ()), tenant)
    console.print(secret, soft_wrap=True, highlight=False)
    errors.print(f"Stored hashed in {file}. Keep the key: it is not shown again.", style="dim")


@keys_app.command("list")
def keys_list(file: KeysFile = DEFAULT_KEYS) -> None:
    """List the names of the keys, each with its practice, roles and what it may do.

    Example: `codeserve keys list --file keys.txt`
    """
    from codeserve.access.table import load_table
    from codeserve.api import auth

    for key in auth.list_keys(file):
        caller = key.principal(load_table())
        granted = (" ".join(sorted(names)) for names in (caller.roles, caller.permissions))
        console.print("\t".join((key.name, caller.tenant, *granted)), highlight=False, soft_wrap=True)


@keys_app.command("revoke")
def keys_revoke(name: Annotated[str, typer.Argument(help="The key's name.")], file: KeysFile = DEFAULT_KEYS) -> None:
    """Take a key away.

    Example: `codeserve keys revoke drchrono-adapter --file keys.txt`
    """
    from codeserve.api import auth

    if not auth.revoke(file, name):
        errors.print(f"there is no key named {name} in {file}")
        raise typer.Exit(1)


if __name__ == "__main__":
    main()
