"""Makes clinic-style text with entity labels: our own sentences around clinical terms, seeded and endless.

    python training/clinic_text.py --count 5 --seed 1

Terms come from `training/data/*.txt` and from the ICD-10-CM tabular list (public domain, package simple-icd-10-cm),
shortened and reordered the way clinicians speak; the sentences from `training/data/templates.tsv`.
A fixed tenth of the terms is held out: texts of the split "heldout" are made of those only.
"""

from __future__ import annotations

import argparse
import hashlib
import random
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from pathlib import Path
from xml.etree import ElementTree

DATA = Path(__file__).parent / "data"
HELD_OUT_OF = 10
SLOT_KIND = {
    "problem": "problem", "condition": "problem", "symptom": "problem", "finding": "problem",
    "medication": "medication", "test": "test", "procedure": "procedure", "anatomy": "anatomy",
    "place": "anatomy",
}  # fmt: skip
SECTION_WEIGHTS = {
    "ap": 30, "hpi": 22, "ros": 8, "pmh": 7, "psh": 4, "fh": 3, "sh": 4, "meds": 6, "exam": 12, "results": 9,
    "proc": 7, "inst": 5,
}  # fmt: skip
SIDES = ("right", "left", "right", "left", "bilateral", "bilateral", "", "", "", "r", "l", "rt", "lt", "b/l")
BULLETS = ("", "", "", "- ", "• ", "* ", "# ", "{i}. ", "{i}) ")
SLOT = re.compile(r"\{(\w+)\}")
CHOICE = re.compile(r"\[([^\[\]]*)\]")


@dataclass(frozen=True, slots=True)
class Example:
    """A text and its entities as (start, end, kind), sorted and apart from each other."""

    text: str
    entities: tuple[tuple[int, int, str], ...]


@dataclass
class Writer:
    """Text in the making: pieces and the labelled ranges among them."""

    parts: list[str] = field(default_factory=list)
    entities: list[tuple[int, int, str]] = field(default_factory=list)
    length: int = 0

    def add(self, text: str, kind: str | None = None) -> None:
        if kind is not None and text:
            self.entities.append((self.length, self.length + len(text), kind))
        self.parts.append(text)
        self.length += len(text)

    def example(self) -> Example:
        return Example("".join(self.parts), tuple(self.entities))


def read_terms(name: str) -> list[str]:
    lines = (DATA / f"{name}.txt").read_text(encoding="utf-8").splitlines()
    terms = (term.strip() for line in lines if not line.startswith("#") for term in line.split(";"))
    return sorted({term for term in terms if term})


def read_table(name: str) -> list[tuple[str, str]]:
    lines = (DATA / f"{name}.tsv").read_text(encoding="utf-8").splitlines()
    return [tuple(line.split("\t", 1)) for line in lines if line and not line.startswith("#")]  # type: ignore[misc]


def is_held_out(term: str) -> bool:
    """A fixed tenth of the terms; never an abbreviation, which can only be known, not worked out."""
    return len(term) > 4 and hashlib.blake2b(term.lower().encode(), digest_size=4).digest()[0] % HELD_OUT_OF == 0


LEFT_OUT = re.compile(
    r"poisoning|adverse effect|underdosing|toxic effect|assault|encounter for|complication of|newborn affected"
)
DROPPED = re.compile(
    r"\b((of|at|in|with|by|due to)? ?(an )?unspecified"
    r" (site|level|part|organism|type|side|severity|degree|cause|body region)s?"
    r"|unspecified|not elsewhere classified|not otherwise specified|nec|nos|other specified|other|elsewhere classified"
    r"|(initial|subsequent) encounter.*|sequela|without complications?|as the cause of.*|uncomplicated)\b"
)


def spoken(description: str) -> str | None:
    """An official description as a clinician would say it, or None where it does not shorten to one.

    >>> spoken("Osteoarthritis, unspecified, right knee")
    'right knee osteoarthritis'
    """
    plain = re.sub(r"\[[^]]*\]|\([^)]*\)", " ", description.lower())
    parts = [re.sub(r"\s+", " ", DROPPED.sub(" ", part)).strip(" -") for part in plain.split(",")]
    parts = [re.sub(r"\b(of|in|with|without|and|or|due to)$", "", part).strip() for part in parts]
    parts = [part for part in parts if part]
    trailing = [part for part in parts[1:] if part.startswith(("with ", "without ", "due to ", "in "))]
    words = " ".join([*reversed([part for part in parts if part not in trailing]), *trailing])
    if (
        LEFT_OUT.search(plain)
        or len(parts) > 3
        or not 1 <= len(words.split()) <= 7
        or re.search(r"[^a-z0-9 '/-]", words)
    ):
        return None
    return words


@cache
def icd_terms() -> tuple[str, ...]:
    """Spoken forms of the titles and inclusion terms of chapters A-T (diseases, symptoms, injuries)."""
    path = files("simple_icd_10_cm.data").joinpath("icd10c-tabular-April-1-2026.xml")
    with path.open("rb") as source:
        root = ElementTree.parse(source).getroot()
    terms: set[str] = set()
    for diag in root.iter("diag"):
        if (diag.findtext("name") or "Z")[0] in "UVWXYZ":
            continue
        notes = [note.text or "" for note in diag.findall("inclusionTerm/note")]
        terms.update(term for text in [diag.findtext("desc") or "", *notes] if (term := spoken(text)))
    return tuple(sorted(terms))


class Vocabulary:
    """The terms of one split, and how they are put together."""

    def __init__(self, held_out: bool) -> None:
        def pool(terms: list[str] | tuple[str, ...]) -> list[str]:
            return [term for term in terms if is_held_out(term) == held_out] or list(terms)

        lists = (
            "conditions", "symptoms", "findings", "problem_heads", "problem_modifiers", "sites", "anatomy",
            "medications", "tests", "test_heads", "procedures", "procedure_heads",
        )  # fmt: skip
        self.terms = {name: pool(read_terms(name)) for name in lists}
        self.terms["icd"] = pool(icd_terms())
        self.fillers = {slot: values.split("|") for slot, values in read_table("fillers")}
        self.templates: dict[str, list[str]] = {}
        for section, template in read_table("templates"):
            self.templates.setdefault(section, []).append(template)

    def site(self, rng: random.Random) -> str:
        return " ".join(filter(None, (rng.choice(SIDES), rng.choice(self.terms["sites"]))))

    def sited(self, rng: random.Random, heads: str) -> str:
        """A head with a place: "left knee pain", "pain in the left knee", "mri of the left knee"."""
        head = rng.choice(self.terms[heads])
        if rng.random() < 0.6 and heads != "test_heads":
            return f"{self.site(rng)} {head}"
        link = rng.choice(("of the", "of the", "in the", "to the", "of")) if heads == "problem_heads" else "of the"
        return f"{head} {link} {self.site(rng)}"

    def condition(self, rng: random.Random) -> str:
        term = rng.choice(self.terms["conditions"])
        plain = len(term.split()) < 3 and rng.random() < 0.15
        return f"{rng.choice(self.terms['problem_modifiers'])} {term}" if plain else term

    def symptom(self, rng: random.Random) -> str:
        if rng.random() < 0.25:
            return self.sited(rng, "problem_heads")
        return rng.choice(self.terms["symptoms"])

    def problem(self, rng: random.Random) -> str:
        draw = rng.random()
        if draw < 0.45:
            return self.condition(rng)
        if draw < 0.55:
            return rng.choice(self.terms["symptoms"])
        if draw < 0.72:
            return rng.choice(self.terms["icd"])
        modifier = rng.choice(self.terms["problem_modifiers"]) + " " if rng.random() < 0.3 else ""
        return modifier + self.sited(rng, "problem_heads")

    def term(self, slot: str, rng: random.Random) -> str:
        makers: dict[str, Callable[[random.Random], str]] = {
            "condition": self.condition, "symptom": self.symptom, "problem": self.problem, "place": self.site,
        }  # fmt: skip
        if slot in makers:
            return makers[slot](rng)
        if slot in ("test", "procedure") and rng.random() < 0.2:
            return self.sited(rng, f"{slot}_heads")
        return rng.choice(self.terms[{"finding": "findings", "anatomy": "anatomy"}.get(slot, slot + "s")])


def misspell(term: str, rng: random.Random) -> str:
    """One slip of the keyboard in a long word: a letter dropped, doubled or two swapped."""
    i = rng.randrange(1, max(2, len(term) - 2))
    if len(term) < 7 or not term[i : i + 2].isalpha():
        return term
    return rng.choice(
        (term[:i] + term[i + 1 :], term[:i] + term[i] + term[i:], term[:i] + term[i + 1] + term[i] + term[i + 2 :])
    )


def invented_drug(rng: random.Random) -> str:
    """A name that no list has, so that the words around it must tell what it is."""
    syllables, endings = _drug_parts()
    return "".join(rng.choice(syllables) for _ in range(rng.choice((1, 2, 2)))) + rng.choice(endings)


@cache
def _drug_parts() -> tuple[list[str], list[str]]:
    return read_terms("parts/drug_syllables"), read_terms("parts/drug_endings")


class Generator:
    """Yields examples without end; the same seed gives the same texts."""

    def __init__(self, seed: int, held_out: bool = False) -> None:
        self.rng = random.Random(seed)
        self.vocabulary = Vocabulary(held_out)

    def __iter__(self) -> Iterator[Example]:
        while True:
            yield self.fragment()

    def fragment(self) -> Example:
        """A few lines of one or two sections, as a window on a note would show them."""
        rng, writer = self.rng, Writer()
        words = rng.choice((12, 30, 60, 90, 90))
        while writer.length < 6 * words:
            self.section(writer)
        example = writer.example()
        shape = rng.choice((str, str, str, str.lower, str.upper))
        return Example(shape(example.text), example.entities) if len(shape(example.text)) == writer.length else example

    def section(self, writer: Writer) -> None:
        rng = self.rng
        name = rng.choices(list(SECTION_WEIGHTS), list(SECTION_WEIGHTS.values()))[0]
        heading = {"ap": "heading_ap", "proc": "heading_proc"}.get(name, f"heading_{name}")
        if rng.random() < 0.6:
            title = rng.choice(self.vocabulary.fillers[heading])
            writer.add(rng.choice((title.upper(), title.title(), title)) + rng.choice(("\n", ":\n", ": ", "\n\n")))
        bullet, dictated = rng.choice(BULLETS), name in ("hpi", "proc", "inst", "sh") or rng.random() < 0.3
        for i in range(1, rng.choice((2, 3, 4, 6))):
            writer.add("" if dictated else bullet.format(i=i))
            self.expand(writer, rng.choice(self.vocabulary.templates[name]), sentence=True)
            writer.add(rng.choice((" ", " ", "  ")) if dictated else "\n")
        writer.add("\n")

    def expand(self, writer: Writer, template: str, sentence: bool = False) -> None:
        rng = self.rng
        while CHOICE.search(template):
            template = CHOICE.sub(lambda match: rng.choice(match[1].split("|")), template, count=1)
        template = re.sub(r" +([.,:]|$)", r"\1", re.sub(r" {2,}", " ", template))
        position = 0
        for match in SLOT.finditer(template):
            writer.add(self.capital(template[position : match.start()], sentence and position == 0))
            self.fill(writer, match[1], sentence and match.start() == 0)
            position = match.end()
        writer.add(self.capital(template[position:], sentence and position == 0))

    def capital(self, text: str, wanted: bool) -> str:
        return text[:1].upper() + text[1:] if wanted and self.rng.random() < 0.7 else text

    def fill(self, writer: Writer, slot: str, first: bool) -> None:
        if slot in self.vocabulary.fillers:
            value = self.rng.choice(self.vocabulary.fillers[slot])
            if "{" in value:
                return self.expand(writer, value)
            return writer.add(self.capital(value, first))
        base = slot.removesuffix("_or").removesuffix("s")
        if base == slot:
            return writer.add(self.capital(self.one(slot), first), SLOT_KIND[slot])
        return self.listed(writer, base, "or" if slot.endswith("_or") else "and")

    def one(self, slot: str) -> str:
        invented = slot == "medication" and self.rng.random() < 0.15
        term = invented_drug(self.rng) if invented else self.vocabulary.term(slot, self.rng)
        return misspell(term, self.rng) if self.rng.random() < 0.03 else term

    def listed(self, writer: Writer, slot: str, conjunction: str) -> None:
        count = self.rng.choice((1, 2, 2, 3, 3, 4, 5, 6))
        comma = self.rng.choice((", ", ", ", ", ", "/", "; ", f" {conjunction} "))
        for i in range(count):
            if i:
                last = i == count - 1 and comma == ", " and self.rng.random() < 0.8
                writer.add(self.rng.choice((f" {conjunction} ", f", {conjunction} ")) if last else comma)
            writer.add(self.one(slot), SLOT_KIND[slot])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=5, help="how many texts to print")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--held-out", action="store_true", help="texts of the held-out terms")
    arguments = parser.parse_args()
    for _, example in zip(range(arguments.count), Generator(arguments.seed, arguments.held_out), strict=False):
        shown, position = "", 0
        for start, end, kind in example.entities:
            shown += f"{example.text[position:start]}[{example.text[start:end]}|{kind}]"
            position = end
        print(shown + example.text[position:], end="\n--\n")


if __name__ == "__main__":
    main()
