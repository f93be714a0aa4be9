"""ICD-10-CM: the CDC's tabular list as a table of our own, read once at set-up, looked up in constant time.

Source: the tabular XML and code list (public domain) in the package `simple-icd-10-cm`.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from xml.etree import ElementTree

import orjson

from codeserve.errors import SetupError

TABLE = "icd10cm.json"
NOTES = ("inclusionTerm", "includes", "excludes1", "excludes2", "codeFirst", "useAdditionalCode", "codeAlso")
_CODE_IN_NOTE = re.compile(r"\(([A-Z]\d[^()]*)\)")
_RANGE = re.compile(r"^([A-Z]\d[0-9A-Z](?:\.[0-9A-Z]{1,4})?)(\.?-)?(?:-([A-Z]\d[0-9A-Z](?:\.[0-9A-Z]{1,4})?))?-?$")


@dataclass(frozen=True, slots=True)
class IcdCode:
    """A chapter, block, category or code. `notes` holds the tabular's own, by kind, without what is inherited."""

    code: str
    description: str
    parent: str | None
    billable: bool
    notes: dict[str, tuple[str, ...]]


def normalise_code(code: str) -> str:
    """`e119` → `E11.9`. Does not look whether the code exists."""
    bare = code.strip().upper().replace(".", "")
    return bare if len(bare) <= 3 else f"{bare[:3]}.{bare[3:]}"


def build(xml: Path, code_list: Path, folder: Path) -> Path:
    """Read the official files into one table under `folder`. Raises SetupError when they are not what they should be."""
    try:
        root = ElementTree.parse(xml).getroot()
    except ElementTree.ParseError as error:
        raise SetupError(f"the ICD-10-CM tabular file is not XML: {error}") from None
    rows: dict[str, list[object]] = {}
    extensions: dict[str, dict[str, str]] = {}
    for chapter in root.iter("chapter"):
        _read_chapter(chapter, rows, extensions)
    if not rows:
        raise SetupError("the ICD-10-CM tabular file holds no chapters")
    _add_seventh_characters(code_list, rows, extensions)
    parents = {row[1] for row in rows.values()}
    for code, row in rows.items():
        row[2] = code not in parents and len(code) >= 3 and code[0].isalpha() and "-" not in code
    version = (root.findtext("version") or "").strip() + "-" + hashlib.sha256(xml.read_bytes()).hexdigest()[:8]
    target = folder / TABLE
    target.write_bytes(orjson.dumps({"version": version, "codes": rows}))
    return target


def _read_chapter(
    chapter: ElementTree.Element, rows: dict[str, list[object]], extensions: dict[str, dict[str, str]]
) -> None:
    name = (chapter.findtext("name") or "").strip()
    rows[name] = [chapter.findtext("desc") or "", None, False, _notes(chapter)]
    for section in chapter.findall("section"):
        block = section.get("id") or ""
        rows[block] = [section.findtext("desc") or "", name, False, _notes(section)]
        for diagnosis in section.findall("diag"):
            _read_code(diagnosis, block, {}, rows, extensions)


def _read_code(
    node: ElementTree.Element,
    parent: str,
    seventh: dict[str, str],
    rows: dict[str, list[object]],
    extensions: dict[str, dict[str, str]],
) -> None:
    code = (node.findtext("name") or "").strip()
    own = node.find("sevenChrDef")
    if own is not None:
        seventh = {(e.get("char") or ""): (e.text or "").strip() for e in own.findall("extension")}
    # A block's name may be its only category's: the block keeps a name of its own.
    rows[code] = [node.findtext("desc") or "", f"{parent}*" if parent == code else parent, False, _notes(node)]
    extensions[code] = seventh
    for child in node.findall("diag"):
        _read_code(child, code, seventh, rows, extensions)


def _notes(node: ElementTree.Element) -> dict[str, list[str]]:
    return {
        kind: [(note.text or "").strip() for found in node.findall(kind) for note in found.findall("note")]
        for kind in NOTES
        if node.find(kind) is not None
    }


def _add_seventh_characters(
    code_list: Path, rows: dict[str, list[object]], extensions: dict[str, dict[str, str]]
) -> None:
    """The list spells out S93401A; the tabular describes S93.401 and what its 7th characters mean."""
    for line in code_list.read_text().split():
        code = normalise_code(line) if "-" not in line else line
        if code in rows or len(code) != 8:
            continue
        stem, char = code[:-1], code[-1]
        while stem not in rows and stem.endswith(("X", ".")):
            stem = stem[:-1]
        meaning = extensions.get(stem, {}).get(char)
        if meaning is None:
            raise SetupError(f"the tabular list does not explain the 7th character of {code}")
        rows[code] = [f"{rows[stem][0]}, {meaning}", stem, False, {}]


class Icd10cm:
    """The table in memory. Codes are given with their dot, upper case."""

    def __init__(self, version: str, rows: dict[str, list[object]]) -> None:
        self.version = version
        self._rows = rows

    @classmethod
    def load(cls, folder: Path) -> Icd10cm:
        try:
            table = orjson.loads((folder / TABLE).read_bytes())
        except (OSError, orjson.JSONDecodeError):
            raise SetupError("the ICD-10-CM table is not there or not whole", hint="run `codeserve setup`") from None
        return cls(table["version"], table["codes"])

    def get(self, code: str) -> IcdCode | None:
        row = self._rows.get(code)
        if row is None:
            return None
        description, parent, billable, notes = row
        held = {kind: tuple(texts) for kind, texts in notes.items()}  # type: ignore[attr-defined]
        return IcdCode(code, str(description), str(parent) if parent else None, bool(billable), held)

    def __contains__(self, code: str) -> bool:
        return code in self._rows

    def is_billable(self, code: str) -> bool:
        row = self._rows.get(code)
        return bool(row and row[2])

    def description(self, code: str) -> str:
        """Raises KeyError for a code that does not exist."""
        return str(self._rows[code][0])

    def billable_codes(self) -> Iterator[str]:
        return (code for code, row in self._rows.items() if row[2])

    @cached_property
    def _children(self) -> dict[str, list[str]]:
        children: dict[str, list[str]] = {}
        for code, row in self._rows.items():
            children.setdefault(str(row[1]), []).append(code)
        return children

    def children(self, code: str) -> tuple[str, ...]:
        return tuple(self._children.get(code, ()))

    def ancestors(self, code: str) -> tuple[str, ...]:
        """From the parent up to the chapter."""
        found: list[str] = []
        row = self._rows.get(code)
        while row is not None and row[1] is not None:
            parent = str(row[1]).rstrip("*")
            if parent in found or parent == code:
                break
            found.append(parent)
            row = self._rows.get(parent)
        return tuple(found)

    def inherited(self, code: str, kind: str) -> tuple[str, ...]:
        """The notes of one kind on a code and on all that it stands under."""
        texts: list[str] = []
        for name in (code, *self.ancestors(code)):
            notes = self._rows[name][3] if name in self._rows else {}
            texts += notes.get(kind, ())  # type: ignore[attr-defined]
        return tuple(texts)

    def excludes1(self, code: str) -> tuple[tuple[str, str], ...]:
        """Ranges of codes (first, last stem) that the Excludes1 notes of a code and its parents name."""
        return tuple(r for note in self.inherited(code, "excludes1") for r in ranges(note))


def ranges(note: str) -> tuple[tuple[str, str], ...]:
    """The codes in the brackets of a note as stems: `(I15.-, E10-E11)` → ("I15", "I15"), ("E10", "E11")."""
    found: list[tuple[str, str]] = []
    for bracket in _CODE_IN_NOTE.findall(note):
        for part in re.split(r"[,;]\s*|\s+", bracket):
            match = _RANGE.match(part.strip())
            if match:
                first, _, last = match.groups()
                found.append((first, last or first))
    return tuple(found)


def within(code: str, span: tuple[str, str]) -> bool:
    """Whether a code lies in a range of stems."""
    first, last = span
    return code.startswith(first) or code.startswith(last) or first <= code < last
