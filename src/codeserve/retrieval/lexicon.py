"""The lexicon: the words clinicians write and the code that each defaults to, from data/lexicon/*.tsv.

A row is `term, code, near, not_near, note`; the code is billable, or a stem with "-" that names one concept. `near` and
`not_near` are beginnings of words, parted by "|", of which one must, none may stand around the term. `ambiguous` in the
note leaves the choice to the LLM. `python -m codeserve.retrieval.lexicon` checks the rows that ship.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from itertools import combinations
from pathlib import Path

from codeserve.codesets.concepts import Concepts
from codeserve.errors import SetupError
from codeserve.notes.spans import Span
from codeserve.retrieval import text

COLUMNS = ("term", "code", "near", "not_near", "note")
MAX_DROPPED = 3
AROUND = 200  # characters each side of a phrase in which `scan` looks for the words of its conditions
_BREAK = re.compile(r"[.;:\n](?!\d)")
_CODE = re.compile(r"[A-Z]\d[0-9A-Z](?:\.[0-9A-Z]{1,4})?(?:\.?-)?")


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the lexicon; `place` is file:line. `near`, `not_near`: None where there is no condition."""

    term: str
    code: str
    near: re.Pattern[str] | None = None
    not_near: re.Pattern[str] | None = None
    note: str = ""
    place: str = ""

    @property
    def ambiguous(self) -> bool:
        return "ambiguous" in self.note

    def holds(self, around: str) -> bool:
        """Whether its conditions hold in the words around the term."""
        if self.near and not self.near.search(around):
            return False
        return not (self.not_near and self.not_near.search(around))


@dataclass(frozen=True, slots=True)
class LexiconHit:
    """`certain`: the rows for this very term agree, their conditions hold, and no word that matters was dropped.

    `imported`: an alphabetical index says so; such a hit is never certain.
    """

    term: str
    code: str
    certain: bool
    imported: bool = False


@lru_cache(maxsize=1)
def fillers() -> dict[str, bool]:
    """Words that may be dropped from a term, and whether the answer stays certain without them."""
    return {text.singular(row["word"]): row["sure"] == "yes" for row in text.rows("fillers.tsv")}


@lru_cache(maxsize=1)
def _capitals() -> frozenset[str]:
    """Short forms that are everyday words when they are not in capitals."""
    return frozenset(row["word"] for row in text.rows("capitals.tsv"))


def _everyday(written: str) -> bool:
    """Whether it is an everyday word unless shouted: "Ms. Lee", "Add a note"."""
    return not written.isupper() and written.lower() in _capitals()


def read_rows(folder: Path | None = None) -> Iterator[Row]:
    """All rows of a folder of .tsv files (default: data/lexicon), in the order of the files' names."""
    source: Traversable = folder or files("codeserve").joinpath("data", "lexicon")
    for file in sorted((f for f in source.iterdir() if f.name.endswith(".tsv")), key=lambda f: f.name):
        lines = file.read_text(encoding="utf-8").splitlines()
        if not lines or tuple(lines[0].split("\t")) != COLUMNS:
            raise SetupError(f"{file.name}: the header must be {' '.join(COLUMNS)}")
        for number, line in enumerate(lines[1:], 2):
            if line.strip() and not line.startswith("#"):
                yield _row(line, f"{file.name}:{number}")


def _row(line: str, place: str) -> Row:
    cells = [cell.strip() for cell in line.split("\t")]
    if not 2 <= len(cells) <= len(COLUMNS):
        raise SetupError(f"{place}: a row has 2 to {len(COLUMNS)} columns, this one {len(cells)}")
    term, code, near, not_near, note = (*cells, "", "", "")[: len(COLUMNS)]
    return Row(term, code, _condition(near), _condition(not_near), note, place)


def _condition(listed: str) -> re.Pattern[str] | None:
    words = [re.escape(word.strip()) for word in listed.split("|") if word.strip()]
    return re.compile(rf"\b(?:{'|'.join(words)})", re.I) if words else None


class Lexicon:
    """All rows, found by the words of a term in any order, and as phrases in running text.

    `imported`: what an alphabetical index adds to `lookup` where these rows are not certain; `scan` leaves it alone, as
    its terms are headings ("accident", "abnormal") that running text is full of.
    """

    def __init__(self, rows: Sequence[Row], imported: Lexicon | None = None) -> None:
        self.rows = tuple(rows)
        self.imported = imported
        self._by_signature: dict[tuple[str, ...], list[Row]] = defaultdict(list)
        self._by_stems: dict[tuple[str, ...], list[Row]] = defaultdict(list)
        self._phrases: dict[tuple[str, ...], list[Row]] = defaultdict(list)
        lengths: dict[str, set[int]] = defaultdict(set)
        for row in rows:
            signature = text.signature(row.term)
            self._by_signature[signature].append(row)
            self._by_stems[_stemmed(signature)].append(row)
            phrase = tuple(word for _, word in _phrase_words(row.term))
            if phrase:
                self._phrases[phrase].append(row)
                lengths[phrase[0]].add(len(phrase))
        # By a phrase's first word, how many words it may have, longest first.
        self._lengths = {word: sorted(known, reverse=True) for word, known in lengths.items()}

    @classmethod
    def load(cls, folder: Path | None = None, imported: Path | None = None) -> Lexicon:
        """`imported`: the folder of `codeserve import icd10cm-index`, which need not be there.

        Raises SetupError, naming file and line, for a row that is not well formed.
        """
        beyond = cls(tuple(read_rows(imported))) if imported and imported.is_dir() else None
        return cls(tuple(read_rows(folder)), beyond)

    def lookup(self, term: str, around: str = "") -> tuple[LexiconHit, ...]:
        """The hits for a term: as it stands, or else with as few qualifying words dropped as it takes.

        Where only the words' stems agree ("burning" and "burn") a hit is never certain. Imported rows come last, and
        only where no hit is certain.
        """
        own = self._lookup(term, around)
        if self.imported is None or any(hit.certain for hit in own):
            return own
        codes = {hit.code for hit in own}
        more = (hit for hit in self.imported._lookup(term, around) if hit.code not in codes)
        return (*own, *(replace(hit, certain=False, imported=True) for hit in more))

    def _lookup(self, term: str, around: str) -> tuple[LexiconHit, ...]:
        signature = text.signature(term)
        for rows, sure in self._reduced(signature, self._by_signature):
            if hits := _hits(_closest(rows, term), around, sure):
                return hits
        for rows, _ in self._reduced(_stemmed(signature), self._by_stems):
            if hits := _hits(_closest(rows, term), around, sure=False):
                return hits
        return ()

    def _reduced(
        self, full: tuple[str, ...], rows: dict[tuple[str, ...], list[Row]]
    ) -> Iterator[tuple[list[Row], bool]]:
        known = fillers()
        droppable = [word for word in full if word in known]
        for count in range(min(len(droppable), MAX_DROPPED) + 1):
            for dropped in combinations(droppable, count):
                left = tuple(word for word in full if word not in dropped)
                if left in rows:
                    yield rows[left], all(known[word] for word in dropped)

    def scan(self, running: str) -> list[tuple[Span, LexiconHit]]:
        """The longest known phrases in a text, left to right, none across a sentence end or a line.

        Their conditions are looked for within `AROUND` characters; a phrase with several codes gives several hits.
        """
        flow = list(_phrase_words(running))
        breaks = [match.start() for match in _BREAK.finditer(running)]
        found: list[tuple[Span, LexiconHit]] = []
        place = 0
        while place < len(flow):
            span, rows, length = self._longest_at(flow, place, breaks)
            written = span.of(running)
            around = running[max(0, span.start - AROUND) : span.end + AROUND] if rows else ""
            hits = () if not rows or _everyday(written) else _hits(_closest(rows, written), around, sure=True)
            found.extend((span, hit) for hit in hits)
            place += length if hits else 1
        return found

    def _longest_at(self, flow: list[tuple[Span, str]], place: int, breaks: list[int]) -> tuple[Span, list[Row], int]:
        start, first = flow[place]
        if place and flow[place - 1][0] == start:  # within an abbreviation that was written out
            return start, [], 1
        for length in self._lengths.get(first, ()):
            if place + length > len(flow):
                continue
            last = flow[place + length - 1][0]
            whole = place + length == len(flow) or flow[place + length][0] != last
            rows = self._phrases.get(tuple(word for _, word in flow[place : place + length])) if whole else None
            if rows and bisect_right(breaks, last.start) == bisect_right(breaks, start.start):
                return start.cover(last), rows, length
        return start, [], 1


def _phrase_words(running: str) -> Iterator[tuple[Span, str]]:
    """The words that count, singular, short forms written out; an expansion's words share their span."""
    for span, word in text.tokens(running):
        for part in text.expand((word,)):
            if part not in text.STOP:
                yield span, text.singular(part)


def _stemmed(signature: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(sorted({text.stem(word) for word in signature}))


def _closest(rows: Sequence[Row], written: str) -> Sequence[Row]:
    """Where rows differ, those that stand there to the letter: "rib fractures" is another code than "rib fracture"."""
    if len(rows) < 2:
        return rows
    said = set(text.words(written))
    return [row for row in rows if said.issuperset(text.words(row.term))] or rows


def _hits(rows: Sequence[Row], around: str, sure: bool) -> tuple[LexiconHit, ...]:
    fitting = [row for row in rows if row.holds(around)]
    # A row whose condition holds says more than one without.
    stated = [row for row in fitting if row.near] or fitting
    codes = dict.fromkeys(row.code for row in stated)
    certain = sure and len(codes) == 1 and not any(row.ambiguous for row in stated)
    return tuple(LexiconHit(stated[0].term, code, certain) for code in codes)


def validate(lexicon: Lexicon, concepts: Concepts) -> list[str]:
    """What is wrong with the rows, each with its file and line."""
    wrong: list[str] = []
    seen: dict[tuple[object, ...], tuple[Row, frozenset[str]]] = {}
    for row in lexicon.rows:
        said = frozenset(text.words(row.term)) - text.STOP
        if row.term != row.term.lower() or not said:
            wrong.append(f"{row.place}: the term must be in lower case and hold a word")
        keys = frozenset(c.key for c in concepts.by_stem(row.code)) if _CODE.fullmatch(row.code) else frozenset()
        if not keys or (not row.code.endswith("-") and concepts.of(row.code) is None):
            wrong.append(f"{row.place}: {row.code} is neither a billable code nor a stem of one")
        other, same = seen.setdefault((said, row.near, row.not_near), (row, keys))
        if keys != same and not (row.ambiguous and other.ambiguous):
            wrong.append(f"{row.place}: {row.term!r} is {row.code} here and {other.code} in {other.place}")
    return wrong


def _check() -> int:
    """Check what ships against freshly built tables; the number of problems."""
    from tempfile import TemporaryDirectory

    from codeserve.codesets.icd10cm import Icd10cm, build

    with TemporaryDirectory() as folder:
        wrong = validate(Lexicon.load(), Concepts(Icd10cm.load(build(Path(folder)))))
    print("\n".join(wrong) or "the lexicon is well")
    return len(wrong)


if __name__ == "__main__":
    raise SystemExit(min(_check(), 1))
