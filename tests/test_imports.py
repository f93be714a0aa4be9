"""The walls: the pure packages import no server, no engine and no tensor library."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "codeserve"
PURE = ("notes", "tagging", "codesets", "retrieval", "reasoning", "rules", "access", "rollout", "adapters", "client")
SHELL = {Path("tagging/core.py"), Path("reasoning/engine.py")}
SERVERS = Path("adapters/simulators")  # platforms of our own, for tests and the demo
PURE_MODULES = ("pipeline.py", "errors.py", "config.py")
PURE_STORAGE = ("audit/chain.py", "audit/faults.py", "audit/records.py", "audit/suggested.py", "audit/comparison.py")
FORBIDDEN = {"ray", "vllm", "torch", "transformers", "fastapi", "starlette", "opentelemetry"}


def pure_modules() -> list[Path]:
    modules = [p for package in PURE for p in (SOURCE / package).rglob("*.py")]
    modules += [SOURCE / name for name in ("pipeline.py", "errors.py", "config.py", "loopback.py")]
    inside = {m: m.relative_to(SOURCE) for m in modules}
    return [m for m, path in inside.items() if path not in SHELL and not path.is_relative_to(SERVERS)]


def imported(module: Path) -> set[str]:
    """The top-level names that a module imports, anywhere in it."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module)
    return names


@pytest.mark.parametrize("module", pure_modules(), ids=lambda m: str(m.relative_to(SOURCE)))
def test_pure_module_imports_no_shell(module: Path) -> None:
    names = imported(module)
    assert not {name.split(".")[0] for name in names} & FORBIDDEN
    outer = {name for name in names if re.match(r"codeserve\.(deployments|api|cli(_\w+)?)(\.|$)", name)}
    assert not outer


@pytest.mark.parametrize("name", [*PURE_STORAGE, "storage/crypto.py", "storage/ids.py"])
def test_the_pure_part_of_storage_and_audit_knows_no_database(name: str) -> None:
    names = imported(SOURCE / name)
    assert not {one.split(".")[0] for one in names} & (FORBIDDEN | {"sqlalchemy", "alembic"})
    assert not {one for one in names if one.startswith("codeserve.storage")}


def test_the_rule_sees_a_breach(tmp_path: Path) -> None:
    breach = tmp_path / "breach.py"
    breach.write_text("def late():\n    from torch import nn\n    import ray.serve\n")
    assert {name.split(".")[0] for name in imported(breach)} == {"torch", "ray"}


@pytest.mark.parametrize("heavy", ["presidio_analyzer", "spacy", "transformers", "torch"])
def test_what_serves_proxy_loads_is_light(heavy: str) -> None:
    """Serve kills a proxy that is not there after 15 s; a busy machine needs them for seconds of imports."""
    asked = f"import sys, codeserve.api.proxy; print({heavy!r} in sys.modules)"
    done = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, timeout=240, check=True)
    assert done.stdout.strip() == "False"
