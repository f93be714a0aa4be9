"""ICD-10-CM as tables that load at once.

The CDC's tabular list (XML) and list of codes come with the package simple-icd-10-cm. `build` reads them once and
writes one JSON file of columns; `Icd10cm.load` reads that. Codes have no dot inside and their dot outside.
Conventions: ICD-10-CM Official Guidelines for Coding and Reporting, section I.A.
"""

from __future__ import annotations

import calendar
import hashlib
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import orjson

from codeserve.artifacts import package_folder
from codeserve.codesets.ranges import CodeRange, parse_ranges
from codeserve.errors import SetupError

PACKAGE = "simple_icd_10_cm"
FILE = "icd10cm.json"
FORM = re.compile(r"[A-Z]\d[0-9A-Z](?:\.?[0-9A-Z]{1,4})?", re.ASCII)  # of a code, with or without its dot
MONTHS = tuple(calendar.month_name)[1:]

# The notes that are kept, by the tabular list's own names for them.
NOTES = (
    "inclusionTerm",
    "includes",
    "excludes1",
    "excludes2",
    "codeFirst",
    "useAdditionalCode",
    "codeAlso",
    "notes",
    "sevenChrNote",
)


@dataclass(frozen=True, slots=True)
class IcdCode:
    """One line of the tabular list: a chapter ("9"), a block ("I10-I1A"), a category, a subcategory or a code.

    `kind`: "chapter", "block", "category", "code" or "extended" (made by a 7th character, the list only implies it).
    `parent` is None for a chapter. `notes` are the line's own, by kind (NOTES); `inherited` adds those from above.
    """

    code: str
    description: str
    billable: bool
    kind: str
    parent: str | None
    chapter: str
    block: str
    notes: Mapping[str, tuple[str, ...]]


def normalise_code(text: str) -> str:
    """`e119`, `E11.9`, ` E11.9 ` -> `E11.9`. Says nothing about whether such a code exists."""
    bare = _bare(text)
    if len(bare) <= 3 or "-" in bare:
        return bare
    return f"{bare[:3]}.{bare[3:]}"


def _bare(code: str) -> str:
    return code.upper().replace(".", "").strip()


def build(folder: Path, source: Path | None = None, version: str = "") -> Path:
    """Write the tables into `folder` and return the file. `source` holds the XML and the list of codes; `version` is
    read off them where it is not given.

    Raises SetupError when they are not there.
    """
    source = source or package_folder(PACKAGE) / "data"
    tabular, listed = _one(source, "*.xml"), _one(source, "*.txt")
    table = _Table()
    root = ET.parse(tabular).getroot()
    for chapter in root.iter("chapter"):
        table.read(chapter, None)
    table.extend(listed.read_text().split())
    path = folder / FILE
    folder.mkdir(parents=True, exist_ok=True)
    path.write_bytes(
        orjson.dumps(
            {
                "version": version or _version(root.findtext("version", ""), tabular.name),
                "sha256": hashlib.sha256(tabular.read_bytes() + listed.read_bytes()).hexdigest(),
                "codes": table.codes,
                "descriptions": table.descriptions,
                "parents": table.parents,
                "kinds": table.kinds,
                "notes": table.notes,
                "sevenths": table.sevenths,
            }
        )
    )
    return path


class Icd10cm:
    """Read-only. Every method takes a code with or without the dot, in any case."""

    def __init__(self, columns: dict[str, Any]) -> None:
        self.version: str = columns["version"]
        self.sha256: str = columns["sha256"]
        self._codes: list[str] = columns["codes"]
        self._descriptions: list[str] = columns["descriptions"]
        self._parents: list[int] = columns["parents"]
        self._kinds: list[str] = columns["kinds"]
        self._notes: dict[str, dict[str, list[str]]] = columns["notes"]
        self._sevenths: dict[str, dict[str, str]] = columns["sevenths"]
        # A block of one category has its category's name (B99): the category, which comes later, wins.
        self._index = {code: i for i, code in enumerate(self._codes)}
        self._children: dict[int, list[int]] = {}
        for i, parent in enumerate(self._parents):
            if parent >= 0:
                self._children.setdefault(parent, []).append(i)

    @classmethod
    def load(cls, path: Path) -> Icd10cm:
        """Read what `build` wrote: the file or its folder. Raises SetupError when it is missing."""
        file = path / FILE if path.is_dir() else path
        if not file.is_file():
            raise SetupError("the ICD-10-CM tables have not been built", hint="run `codeserve setup`")
        return cls(orjson.loads(file.read_bytes()))

    def __contains__(self, code: str) -> bool:
        return self._find(code) is not None

    def get(self, code: str) -> IcdCode | None:
        """The line of this code, or None when the tabular list has none."""
        i = self._find(code)
        if i is None:
            return None
        line = self._line(i)
        ids = [self._codes[j] for j in line]
        notes = {kind: tuple(texts) for kind, texts in self._notes.get(str(i), {}).items()}
        return IcdCode(
            code=normalise_code(self._codes[i]),
            description=self._descriptions[i],
            billable=self._is_billable(i),
            kind=self._kinds[i],
            parent=next(iter(self.ancestors(code)), None),
            chapter=ids[-1],
            block=ids[-2] if len(ids) > 1 else "",
            notes=MappingProxyType(notes),
        )

    def description(self, code: str) -> str:
        """Raises KeyError for a code that does not exist."""
        return self._descriptions[self._index[_bare(code)]]

    def is_billable(self, code: str) -> bool:
        """Whether it may stand on a claim: it exists and nothing more specific does (guideline I.B.2)."""
        i = self._find(code)
        return i is not None and self._is_billable(i)

    def billable_codes(self) -> Iterator[str]:
        """All of them, in the order of the tabular list."""
        return (normalise_code(code) for i, code in enumerate(self._codes) if self._is_billable(i))

    def children(self, code: str) -> tuple[str, ...]:
        i = self._find(code)
        return () if i is None else tuple(normalise_code(self._codes[j]) for j in self._children.get(i, ()))

    def ancestors(self, code: str) -> tuple[str, ...]:
        """From the parent up to the chapter; empty for a chapter and for an unknown code."""
        names = dict.fromkeys(self._codes[i] for i in self._lineage(code))  # a block may be named like its category
        return tuple(normalise_code(name) for name in names)[1:]

    def leaves(self, code: str) -> tuple[str, ...]:
        """The billable codes at or below this line."""
        start = self._find(code)
        found: list[str] = []
        todo = [] if start is None else [start]
        while todo:
            i = todo.pop()
            if self._is_billable(i):
                found.append(normalise_code(self._codes[i]))
            todo.extend(reversed(self._children.get(i, ())))
        return tuple(found)

    def inherited(self, code: str, kind: str) -> tuple[str, ...]:
        """The notes of one kind (NOTES) that hold for a code: its own first, then those of the lines above it."""
        return tuple(text for i in self._lineage(code) for text in self._notes.get(str(i), {}).get(kind, ()))

    def excludes1(self, code: str) -> tuple[CodeRange, ...]:
        """The codes that must not stand beside this one (guideline I.A.12.a), from its own line up to the chapter."""
        return tuple(item for note in self.inherited(code, "excludes1") for item in parse_ranges(note))

    def excludes2(self, code: str) -> tuple[CodeRange, ...]:
        """The codes that this one does not include but that may stand beside it (guideline I.A.12.b)."""
        return tuple(item for note in self.inherited(code, "excludes2") for item in parse_ranges(note))

    def seventh_characters(self, code: str) -> Mapping[str, str]:
        """7th character -> what it says, from the nearest line that defines them; empty where there is none."""
        for i in self._lineage(code):
            if found := self._sevenths.get(str(i)):
                return MappingProxyType(found)
        return MappingProxyType({})

    def stem(self, code: str) -> str:
        """The code without its 7th character (and its placeholders X) where it has one, else the code itself."""
        i = self._find(code)
        if i is None or self._kinds[i] != "extended":
            return normalise_code(code)
        return normalise_code(self._codes[self._parents[i]])

    def _find(self, code: str) -> int | None:
        return self._index.get(_bare(code))

    def _is_billable(self, i: int) -> bool:
        return i not in self._children and self._kinds[i] not in ("chapter", "block")

    def _line(self, i: int) -> list[int]:
        line = [i]
        while (parent := self._parents[line[-1]]) >= 0:
            line.append(parent)
        return line

    def _lineage(self, code: str) -> list[int]:
        i = self._find(code)
        return [] if i is None else self._line(i)


class _Table:
    """The columns while they are filled: first the tabular list, then the codes that a 7th character makes."""

    def __init__(self) -> None:
        self.codes: list[str] = []
        self.descriptions: list[str] = []
        self.parents: list[int] = []
        self.kinds: list[str] = []
        self.notes: dict[str, dict[str, list[str]]] = {}
        self.sevenths: dict[str, dict[str, str]] = {}

    def read(self, node: ET.Element, parent: int | None) -> None:
        name = (node.get("id") or node.findtext("name") or "").strip()
        kind = {"chapter": "chapter", "section": "block"}.get(node.tag) or ("category" if len(name) == 3 else "code")
        i = self._add(name.replace(".", ""), node.findtext("desc", ""), -1 if parent is None else parent, kind)
        for child in node:
            if child.tag in NOTES:
                texts = self.notes.setdefault(str(i), {}).setdefault(child.tag, [])
                texts.extend(clean for note in child if (clean := _clean(note.text)))
            elif child.tag == "sevenChrDef":
                self.sevenths[str(i)] = {e.attrib["char"]: _clean(e.text) for e in child if e.tag == "extension"}
            elif child.tag in ("section", "diag"):
                self.read(child, i)

    def extend(self, listed: list[str]) -> None:
        """Add the codes that the tabular list only implies: stem, placeholders X, 7th character (I.A.4, I.A.5)."""
        index = {code: i for i, code in enumerate(self.codes)}
        for code in listed:
            if code in index:
                continue
            stem = code[:-1]
            while stem not in index and stem.endswith("X"):
                stem = stem[:-1]
            i = index[stem]
            meaning = self._seventh(i)[code[-1]]
            index[code] = self._add(code, f"{self.descriptions[i]}, {meaning}", i, "extended")

    def _seventh(self, i: int) -> dict[str, str]:
        while str(i) not in self.sevenths:
            i = self.parents[i]
        return self.sevenths[str(i)]

    def _add(self, code: str, description: str, parent: int, kind: str) -> int:
        self.codes.append(code)
        self.descriptions.append(_clean(description))
        self.parents.append(parent)
        self.kinds.append(kind)
        return len(self.codes) - 1


def _clean(text: str | None) -> str:
    return " ".join((text or "").split())


def _one(folder: Path, pattern: str) -> Path:
    found = sorted(folder.glob(pattern))
    if len(found) != 1:
        raise SetupError(f"expected one {pattern} of ICD-10-CM, found {len(found)}", hint="install simple-icd-10-cm")
    return found[0]


def _version(year: str, name: str) -> str:
    """ "2026-04" from the list's fiscal year and the month in the file's name; the year alone where it names none."""
    month = next((n for n, month in enumerate(MONTHS, 1) if month in name), None)
    years = re.findall(r"20\d\d", name)
    return f"{years[-1] if years else year}-{month:02d}" if month else year
