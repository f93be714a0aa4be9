"""Checksums beside a model's weights: a file that changed on its disk still loads, and answers wrongly.

`SHA256SUMS` is what `sha256sum *.safetensors > SHA256SUMS` writes; the set-up writes it for the embedded models.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from codeserve.artifacts import write_whole
from codeserve.errors import SetupError

SUMS = "SHA256SUMS"
PATTERNS = ("*.safetensors", "*.bin")
PIECE = 2**20


def write_sums(folder: Path) -> None:
    files = sorted(file for pattern in PATTERNS for file in folder.glob(pattern))
    write_whole(folder / SUMS, [f"{_sum(file)}  {file.name}".encode() for file in files], mode=0o644)


def verify(folder: Path) -> bool:
    """Whether there are sums to hold the files against. Raises SetupError for a file that is not as they say."""
    listed = folder / SUMS
    if not listed.is_file():
        return False
    for line in listed.read_text(encoding="utf-8").splitlines():
        wanted, _, name = line.partition(" ")
        file = folder / name.strip(" *")
        if not file.is_file() or _sum(file) != wanted:
            raise SetupError(
                f"the weights {file.name} are not those that {SUMS} tells of", hint="put the right file back"
            )
    return True


def _sum(file: Path) -> str:
    total = hashlib.sha256()
    with file.open("rb") as source:
        while piece := source.read(PIECE):
            total.update(piece)
    return total.hexdigest()
