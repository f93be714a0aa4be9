"""Writes src/codeserve/client/models.py from docs/openapi.json. Run by `make client`, which gives the generator.

The models are those that the client's operations use. What a newer gateway adds is ignored, so an old client goes on.
"""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
SOURCE, TARGET = ROOT / "docs" / "openapi.json", ROOT / "src" / "codeserve" / "client" / "models.py"
OPERATIONS = ("/v1/extract-codes", "/v1/validate-codes", "/v1/documentation-gaps", "/v1/models", "/v1/codes/{code}")
# What the gateway checks itself, with a field and a hint; `title` only repeats the name.
CHECKS = {
    *("title", "additionalProperties", "pattern", "minLength", "maxLength"),
    *("minimum", "maximum", "exclusiveMinimum", "minItems", "maxItems"),
}
OPTIONS = (
    *("input-file-type=openapi", "output-model-type=pydantic_v2.BaseModel", "target-python-version=3.11"),
    *("enum-field-as-literal=all", "use-annotated", "use-standard-collections", "use-union-operator"),
    *("use-schema-description", "collapse-root-models", "disable-timestamp", "formatters=ruff-format"),
)
HEADER = '''"""The bodies of requests and responses. Made by `make client` from docs/openapi.json, never by hand."""

# ruff: noqa
# schemas: {digest}
'''


def schemas() -> dict[str, Any]:
    """The schemas that the client's operations reach, by name, without what the gateway checks itself."""
    document = json.loads(SOURCE.read_text(encoding="utf-8"))
    every, found = document["components"]["schemas"], dict[str, Any]()
    waiting = _names([document["paths"][path] for path in OPERATIONS])
    while waiting:
        name = waiting.pop()
        if name not in found:
            found[name] = _shape(every[name])
            waiting |= _names(every[name])
    return {name: found[name] for name in sorted(found)}


def digest(found: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(found, sort_keys=True).encode()).hexdigest()[:16]


def _names(part: Any) -> set[str]:
    return set(re.findall(r"#/components/schemas/(\w+)", json.dumps(part)))


def _shape(part: Any) -> Any:
    """Types, names and descriptions. Limits and patterns are for the gateway to judge, with a field and a hint."""
    if isinstance(part, list):
        return [_shape(one) for one in part]
    if not isinstance(part, dict):
        return part
    kept = {key: _shape(value) for key, value in part.items() if key not in CHECKS and key != "properties"}
    if isinstance(kept.get("default"), dict | list):
        del kept["default"]
    if "properties" in part:
        kept["properties"] = {name: _shape(value) for name, value in part["properties"].items()}
    return kept


def main(generator: str) -> None:
    found = schemas()
    document = {"openapi": "3.1.0", "info": {"title": "codeserve", "version": "1"}, "paths": {}}
    options = [f"--{option}" for option in OPTIONS]
    with tempfile.TemporaryDirectory() as folder:
        written, made = Path(folder) / "openapi.json", Path(folder) / "models.py"
        written.write_text(json.dumps({**document, "components": {"schemas": found}}), encoding="utf-8")
        subprocess.run([generator, "--input", str(written), "--output", str(made), *options], check=True)
        code = made.read_text(encoding="utf-8")
    code = code[code.index("from __future__") :]
    TARGET.write_text(HEADER.format(digest=digest(found)) + "\n" + code, encoding="utf-8")
    subprocess.run([sys.executable, "-m", "ruff", "format", "-q", str(TARGET)], check=True)


if __name__ == "__main__":
    main(sys.argv[1])
