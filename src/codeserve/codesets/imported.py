"""Imported descriptions as rows of the procedure table: CMS's HCPCS Level II release, and a licensed CPT file.

What ships keeps its terms and, for HCPCS, its words; a CPT code takes the AMA's descriptor once a licence holder
imported it. A drug's row gets the drug's name as a term, and so does equipment that is named by several words; other
rows are found by search alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from codeserve.codesets.procedures import ProcedureCode, Procedures
from codeserve.codesets.reference import Descriptor, Reference
from codeserve.reasoning.questions import System

DRUG_CODES = ("J", "Q0", "Q2", "Q5", "C9", "A9")
EQUIPMENT = ("E", "L")
DRUG, SUPPLY = "drug", "supply"
LONGEST, SHORTEST = 5, 5  # words of a term; letters of its longest word
_DOSE = re.compile(r"\b(?:\d[\d,.]*|per|one) ?(?:million )?(?:mg|mcg|microgram|g|gram|units?|iu|i\.u\.|ml)(?!\w)", re.I)
_HOW = re.compile(r"^(?:injection|infusion|inhalation solution|unclassified|prescription)\b,? *", re.I)
_ASIDE = re.compile(r"\([^()]*\)|\[[^\[\]]*\]")
_NO_NAME = re.compile(r"\b(?:not otherwise|nos|noc|unclassified|miscellaneous|unlisted|unspecified)\b", re.I)


def extended(own: Procedures, reference: Reference) -> Procedures:
    """The shipped table with what was imported: descriptors of CPT, and the codes that it lacks. Itself without one."""
    licensed = {one.code: one for one in reference.descriptors("cpt")}
    level_two = {one.code: one for one in reference.descriptors("hcpcs")}
    if not licensed and not level_two:
        return own
    rows = [
        replace(row, description=licensed[row.code].description) if row.code in licensed else row for row in own.all()
    ]
    known = {term for row in rows for term in row.terms}
    lacking = (one for one in (*level_two.values(), *licensed.values()) if one.code not in own)
    return Procedures([*rows, *(_row(one, known) for one in lacking)], own.sha256)


def _row(one: Descriptor, known: set[str]) -> ProcedureCode:
    system = System.HCPCS if one.code[:1].isalpha() else System.CPT
    drug = one.code.startswith(DRUG_CODES) and bool(_DOSE.search(one.description))
    kind = DRUG if drug else SUPPLY if system is System.HCPCS else ""
    needs = frozenset({"dose", "units"}) if drug else frozenset[str]()
    named = tuple(term for term in dict.fromkeys(_terms(one, drug)) if term not in known)
    return ProcedureCode(one.code, system, one.description, named, kind, needs, imported=True)


def _terms(one: Descriptor, drug: bool) -> Iterator[str]:
    """What a note would call it: what stands before the first comma, in lower case and without what stands aside."""
    equipment = one.code.startswith(EQUIPMENT)
    if not (drug or equipment) or _NO_NAME.search(one.description):
        return
    name = " ".join(_ASIDE.sub(" ", _HOW.sub("", one.description)).split(",")[0].lower().split())
    words = name.split()
    long_enough = max((len(word) for word in words), default=0) >= SHORTEST
    # One plain word ("walker", "brace") names dozens of supplies.
    if long_enough and len(words) <= LONGEST and (drug or len(words) > 1):
        yield name
