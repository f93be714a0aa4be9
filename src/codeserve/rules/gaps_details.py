"""What a diagnosis leaves open that a more specific code needs: type, acuity, stage, cause, severity and the like.

Source: the ICD-10-CM tabular list; guidelines I.B.2 and I.B.18; data/rules/gap_axes.tsv, whose rows without codes are
read against the titles of the code's category.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from codeserve.codesets.icd10cm import Icd10cm
from codeserve.rules.gaps_words import Asked
from codeserve.rules.reading import pattern
from codeserve.rules.results import Diagnosis
from codeserve.rules.stems import Stems
from codeserve.rules.tables import any_of, rows

UNSPECIFIED = re.compile(r"\bunspecified\b|\bwithout (?:mention|status)\b", re.IGNORECASE)
MOST_AXES = 2  # a longer question is not read
MOST_READ = 400  # codes of a category: injuries have thousands, which differ in the same words


def open_details(d: Diagnosis, near: str, asked: Asked) -> str:
    """The axes that a diagnosis leaves open, each with its choices, as a question names them; "" where none is.

    `near`: what the note says about the problem.
    """
    found = dict.fromkeys(_open(d, near, asked))
    return " and ".join(list(found)[:MOST_AXES])


def _open(d: Diagnosis, near: str, asked: Asked) -> Iterator[str]:
    icd = asked.codesets.icd
    title = icd.description(d.code) if d.code in icd else ""
    for row in (*_by_code(d.code), *(_derived(d.code[:3], icd) if UNSPECIFIED.search(title) else ())):
        said = near if row["where"] == "near" else asked.document.text
        settled = _known(row, said) or (not row["codes"] and _known(row, title))
        if not settled and _wanted(row, title, asked):
            yield f"{row['axis']} ({' / '.join(row['choices'].split('; '))})"


def _wanted(row: dict[str, str], title: str, asked: Asked) -> bool:
    """Whether the title leaves the axis open, the note holds what calls for the question, and no other code answers."""
    if row["open"] and not pattern(row["open"]).search(title):
        return False
    if row["needs"] and not pattern(rf"(?<!\w)(?:{row['needs']})").search(asked.document.text):
        return False
    answers = tuple(row["unless"].split("|")) if row["unless"] else ()
    return not any(d.code.startswith(answers) for d in asked.diagnoses if answers)


def _known(row: dict[str, str], said: str) -> bool:
    words = pattern(rf"(?<!\w)(?:{row['known']})(?!\w)") if row["known"] else any_of(row["choices"].split("; "))
    return bool(words.search(said))


@lru_cache(maxsize=4096)
def _by_code(code: str) -> tuple[dict[str, str], ...]:
    return _rows_by_code().of(code)


@lru_cache(maxsize=1)
def _rows_by_code() -> Stems[dict[str, str]]:
    table = rows("gap_axes.tsv")
    return Stems((stem, row) for row in table if row["codes"] for stem in row["codes"].split("|"))


@lru_cache(maxsize=256)
def _derived(category: str, icd: Icd10cm) -> tuple[dict[str, str], ...]:
    """The rows without codes in whose choices the codes of a category differ, with those choices that they have."""
    described = [icd.description(code).lower() for code in icd.leaves(category)[:MOST_READ]]
    found = []
    for row in rows("gap_axes.tsv"):
        choices = row["choices"].split("; ") if not row["codes"] else ()
        held = [choice for choice in choices if any(map(any_of([choice]).search, described))]
        if len(held) > 1:
            found.append({**row, "choices": "; ".join(held)})
    return tuple(found)
