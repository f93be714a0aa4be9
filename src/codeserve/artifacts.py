"""What the set-up prepares under CODESERVE_HOME, each in a folder named by the hash of what it was made from.

A folder is written beside its place and renamed when complete, so what is there is whole; a changed input gives another
name, so what is found is current.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

from codeserve.errors import SetupError

Progress = Callable[[float], None]
DATA = Path(__file__).parent / "data"
HINT = "run `codeserve setup` (or `make setup`)"


@dataclass(frozen=True, slots=True)
class Step:
    """`build(folder, progress)` fills an empty folder; `progress` takes the share done, 0 to 1."""

    name: str
    title: str
    folder: Path
    build: Callable[[Path, Progress], None]

    @property
    def ready(self) -> bool:
        return self.folder.is_dir()

    def run(self, progress: Progress) -> None:
        """Build and rename into place; leaves nothing behind when it fails."""
        with unfinished(self.folder.parent, self.name) as folder:
            self.build(folder, progress)
            try:
                folder.rename(self.folder)
            except OSError:
                if not self.ready:  # else another process was first, with the same content
                    raise


@contextmanager
def unfinished(parent: Path, name: str) -> Iterator[Path]:
    """An empty folder in `parent` to fill and rename into its place; what is left of it is removed."""
    parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=f".{name}-", dir=parent))
    try:
        folder.chmod(0o755)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def put_in_place(folder: Path, target: Path) -> None:
    """Rename a finished folder to its name; one of that name steps aside first and is there until then."""
    aside = folder.with_name(f"{folder.name}-before")
    try:
        if target.exists():
            target.rename(aside)
        folder.rename(target)
    finally:
        if aside.exists() and not target.exists():
            aside.rename(target)
        shutil.rmtree(aside, ignore_errors=True)


def write_whole(path: Path, lines: Iterable[bytes], mode: int = 0o600) -> None:
    """Put the lines into a file: all of them on the disk, or what was there stays. Its folder is made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, beside = tempfile.mkstemp(prefix=f".{path.stem}-", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.writelines(line + b"\n" for line in lines)
            file.flush()
            os.fsync(file.fileno())
        Path(beside).chmod(mode)
        Path(beside).replace(path)
    finally:
        Path(beside).unlink(missing_ok=True)


def digest(parts: Iterable[Path | str]) -> str:
    """SHA-256 over files (name and content; folders recursively) and strings, as 16 hex digits.

    Bytecode is left out: Python writes it when a module is first imported, which must not make what is prepared old.
    """
    total = hashlib.sha256()
    for part in parts:
        if isinstance(part, str):
            total.update(part.encode())
            continue
        inside = (p for p in part.rglob("*") if p.is_file() and "__pycache__" not in p.parts)
        files = sorted(inside) if part.is_dir() else [part]
        for file in files:
            total.update(file.name.encode())
            total.update(hashlib.sha256(file.read_bytes()).digest())
    return total.hexdigest()[:16]


def package_folder(module: str) -> Path:
    """Where an installed package that carries data lies. Raises SetupError when it is not installed."""
    spec = find_spec(module)
    if spec is None or not spec.submodule_search_locations:
        raise SetupError(f"the package {module} is not installed", hint=HINT)
    return Path(next(iter(spec.submodule_search_locations)))


def package_version(distribution: str) -> str:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        raise SetupError(f"the package {distribution} is not installed", hint=HINT) from None
