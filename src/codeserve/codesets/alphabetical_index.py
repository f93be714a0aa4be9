"""The CDC's alphabetical index, neoplasm table and external cause index (XML) as rows of the lexicon.

The index tells what a plain term defaults to (ICD-10-CM guideline I.B.1: look the term up, then verify it in the
tabular list). A row is written for each entry that ends in codes of the installed code set; the rest is counted by
reason.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path

from codeserve.artifacts import write_whole
from codeserve.codesets.concepts import Concepts
from codeserve.errors import SetupError

HEADER = "term\tcode\tnear\tnot_near\tnote"
FOLDER = "alphabetical_index"  # beneath CODESERVE_HOME
MAX_CONCEPTS = 8  # a stem that names more tells too little
MAX_FORMS = 12  # of one entry
MAX_REFERENCES = 5  # "see" that leads to "see"
EXAMPLES = 3
# What clinicians call a column's neoplasm of a site; the headings are those of the table.
NEOPLASM = {
    "malignant primary": ("malignant neoplasm of {}", "cancer of {}", "carcinoma of {}"),
    "malignant secondary": ("secondary malignant neoplasm of {}", "metastasis to {}", "{} metastases"),
    "ca in situ": ("carcinoma in situ of {}",),
    "benign": ("benign neoplasm of {}", "benign tumor of {}"),
    "uncertain behavior": ("neoplasm of uncertain behavior of {}",),
    "unspecified behavior": ("neoplasm of {}", "tumor of {}"),
}
_CODE = re.compile(r"[A-Z]\d[0-9A-Z](?:\.[0-9A-Z]{1,4})?")
_BRACKETED = re.compile(r"\(([^()]*)\)")
_UNSAID = re.compile(r"\b(NEC|NOS)\b")
_BY = re.compile(r",? by (type|site|\w+ of \w+).*")

NO_CODE = "heading without a code"
UNKNOWN_CODE = "code is not in the code set"
TOO_WIDE = "stem names too many codes"
UNRESOLVED = "refers to what this file does not hold"
NO_COLUMN = "no code in the column"
CATEGORY_ONLY = "refers to a category as a whole"


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of an index. `path`: its titles from the main term down; `modifiers`: its nonessential ones.

    `codes` by the column's heading ("" where there are no columns); `category`: it refers to one as a whole.
    """

    path: tuple[str, ...]
    modifiers: tuple[str, ...]
    codes: tuple[tuple[str, str], ...]
    see: str = ""
    see_also: str = ""
    category: bool = False


@dataclass(slots=True)
class Report:
    """What was read: `rows` by term and code; `left_out`: by reason, how often and the first examples."""

    name: str
    version: str
    entries: int = 0
    rows: dict[str, dict[str, None]] = field(default_factory=lambda: defaultdict(dict))
    doubtful: set[str] = field(default_factory=set)
    counts: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    examples: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    def leave_out(self, reason: str, entry: Entry, code: str = "") -> None:
        self.counts[reason] += 1
        if len(self.examples[reason]) < EXAMPLES:
            self.examples[reason].append(", ".join((*entry.path, code)).rstrip(", "))

    @property
    def total(self) -> int:
        return sum(len(codes) for codes in self.rows.values())


def read(file: Path, concepts: Concepts) -> Report:
    """The rows of one of the CDC's files. Raises SetupError where it is no such file."""
    root = _parse(file)
    name, columns = _kind(root, file)
    entries = [entry for main in root.iter("mainTerm") for entry in _entries(main, (), columns)]
    if not entries:
        raise SetupError(f"{file.name} holds no entries")
    report = Report(name, root.findtext("version", "").strip(), len(entries))
    known = {_key(entry.path): entry for entry in reversed(entries)}
    for entry in entries:
        _take(entry, known, concepts, report)
    return report


def write(report: Report, home: Path) -> Path:
    """Put the rows beneath `home`, in place of an earlier import of the same file; all of them or none."""
    target = home / FOLDER / f"{report.name}.tsv"
    write_whole(target, (line.encode() for line in _lines(report)), mode=0o644)
    return target


def _lines(report: Report) -> Iterator[str]:
    yield HEADER
    yield f"# {report.name}, version {report.version}"
    for term, codes in sorted(report.rows.items()):
        note = "ambiguous" if len(codes) > 1 or term in report.doubtful else ""
        for code in codes:
            yield f"{term}\t{code}\t\t\t{note}"


def _parse(file: Path) -> ET.Element:
    try:
        data = file.read_bytes()
    except OSError as error:
        raise SetupError(f"{file} cannot be read ({type(error).__name__})") from None
    if b"<!ENTITY" in data:
        raise SetupError(f"{file.name} defines entities; the CDC's files do not")
    try:
        return ET.fromstring(data)
    except ET.ParseError as error:
        raise SetupError(f"{file.name} is not XML: {error}") from None


def _kind(root: ET.Element, file: Path) -> tuple[str, dict[str, str]]:
    """The table's name, and for a table with columns the heading of each."""
    columns = {head.get("col", ""): _said(head).lower() for head in root.iter("head")}
    if root.tag != "ICD10CM.index" or (columns and not set(columns.values()) & set(NEOPLASM)):
        hint = "take icd10cm-index-YYYY.xml, icd10cm-neoplasm-YYYY.xml or icd10cm-eindex-YYYY.xml of the CDC"
        raise SetupError(f"{file.name} is no index of ICD-10-CM that can be imported", hint=hint)
    if columns:
        return "neoplasm", columns
    return "external_causes" if "external" in root.findtext("title", "").lower() else "diseases", {}


def _entries(line: ET.Element, above: tuple[str, ...], columns: Mapping[str, str]) -> Iterator[Entry]:
    title = line.find("title")
    path = (*above, _said(title)) if title is not None else above
    cells = tuple((columns.get(cell.get("col", ""), ""), (cell.text or "").strip()) for cell in line.findall("cell"))
    codes = tuple(("", (code.text or "").strip()) for code in line.findall("code"))
    yield Entry(
        path=path,
        modifiers=tuple(_modifiers(title)),
        codes=cells or codes,
        see=line.findtext("see", "").strip(),
        see_also=line.findtext("seeAlso", "").strip(),
        category=line.find("subcat") is not None or line.find("seecat") is not None,
    )
    for inner in line.findall("term"):
        yield from _entries(inner, path, columns)


def _said(title: ET.Element) -> str:
    """The title without its nonessential modifiers, "NEC" and "NOS"."""
    text = " ".join(((title.text or ""), *(child.tail or "" for child in title)))
    return " ".join(_UNSAID.sub("", text).split()).strip(" ,")


def _modifiers(title: ET.Element | None) -> Iterator[str]:
    for nemod in title.findall("nemod") if title is not None else ():
        said = (inside.strip() for inside in _BRACKETED.findall(nemod.text or ""))
        yield from (words for words in said if len(words) > 2 and len(words.split()) <= 3)  # not the "(s)" of a plural


def _key(path: Iterable[str]) -> tuple[str, ...]:
    """A path's words, each title by its first form: what a reference says."""
    return tuple(_words(" ".join(_forms(title)[0] for title in path)))


def _words(text: str) -> list[str]:
    return re.findall(r"[a-z0-9]+(?:'[a-z]+)?", _BRACKETED.sub(" ", text).lower())


def _forms(title: str) -> list[str]:
    """ "Boat, boating" are two forms of a word; "cable car, not on rails" is one title."""
    parts = [part.strip() for part in title.split(",") if part.strip()]
    return parts if parts and all(len(part.split()) == 1 for part in parts) else [title]


def _take(entry: Entry, known: Mapping[tuple[str, ...], Entry], concepts: Concepts, report: Report) -> None:
    codes, by_reference = _codes(entry, known)
    if not codes:
        refers = bool(entry.see or entry.see_also)
        reason = CATEGORY_ONLY if entry.category else UNRESOLVED if refers else NO_CODE
        report.leave_out(reason, entry, entry.see or entry.see_also)
        return
    for heading, code in codes:
        if not (match := _CODE.match(code)):
            report.leave_out(NO_COLUMN, entry, heading)
            continue
        named = concepts.by_stem(match[0])
        if not named:
            report.leave_out(UNKNOWN_CODE, entry, code)
        elif len(named) > MAX_CONCEPTS:
            report.leave_out(TOO_WIDE, entry, code)
        else:
            held = match[0] if concepts.of(match[0]) else f"{match[0]}-"
            for term in _terms(entry, heading):
                report.rows[term].setdefault(held)
                report.doubtful.update({term} if by_reference else ())


def _codes(entry: Entry, known: Mapping[tuple[str, ...], Entry]) -> tuple[tuple[tuple[str, str], ...], bool]:
    """The entry's own codes, or those where its reference leads; whether the reference leaves a doubt."""
    doubt = False
    for _ in range(MAX_REFERENCES):
        if entry.codes:
            break
        said = entry.see or entry.see_also
        doubt = doubt or bool(entry.see_also or _BY.search(said))
        there = known.get(tuple(_words(_BY.sub("", _UNSAID.sub("", said))))) if said else None
        if there is None:
            break
        entry = there
    return entry.codes, doubt


def _terms(entry: Entry, heading: str) -> list[str]:
    """The ways to say an entry: forms of its titles, with and without one of its nonessential modifiers."""
    path = entry.path[1:] if heading else entry.path
    said = [" ".join(form) for form in product(*map(_forms, path))]
    said += [f"{modifier} {said[0]}" for modifier in entry.modifiers]
    sites = dict.fromkeys(" ".join(_words(form)) for form in said[:MAX_FORMS])
    if not heading:
        return [site for site in sites if site]
    phrases = NEOPLASM.get(heading, ())
    return [
        " ".join(_words(phrase.format(site)) if site else _words(phrase)[:-1]) for phrase in phrases for site in sites
    ]
