"""What stands beside the level of a visit: prolonged time, longitudinal care, Medicare's preventive visits, visits to
staff, and what only a coder can decide.

Source: CPT E/M guidelines; CMS Physician Fee Schedule final rules 2023 to 2025; Claims Processing Manual, chapter 18,
section 140; data/rules/em_prolonged.tsv and em_words.tsv.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from codeserve.notes.document import Document
from codeserve.notes.spans import Span
from codeserve.rules.em_visit import TITLE, Visit, says, where
from codeserve.rules.encounter import Encounter
from codeserve.rules.levels import rank
from codeserve.rules.results import Diagnosis, Element, ElementItem, Em, EmAddOn, Procedure, Role
from codeserve.rules.tables import rows
from codeserve.rules.vaccines import is_giving, is_vaccine

STEP = 15  # minutes of one unit of prolonged service
MEDICARE = "medicare"
STAFF = {"office_established": "99211", "emergency": "99281"}
# Problems that a preventive visit looks after without work of its own.
PART_OF_PREVENTIVE = frozenset({"stable_chronic", "self_limited", "stable_acute", "administrative", "not_addressed"})
AFTERCARE = ("Z48", "Z47", "Z09", "Z98")
PREVENTIVE_SERVICES = ("G04", "G01", "993", "77067", "G0296")


def in_global_period(document: Document, diagnoses: Sequence[Diagnosis], encounter: Encounter) -> bool:
    """Whether the visit is aftercare that the operation's payment covers: the note says so in as many words, or tells
    of the operation and nothing else was assessed (CMS Claims Processing Manual, chapter 12, section 40.1)."""
    assessed = [d.code for d in diagnoses if d.role is Role.ASSESSED]
    text = document.text
    if says(text, "global_not"):
        return False
    aftercare = bool(assessed) and all(code.startswith(AFTERCARE) for code in assessed)
    return says(text, "global_sure") or (aftercare and says(text, "global") and encounter.service is None)


def staff_visit(document: Document, visit: Visit) -> Em | None:
    """A visit to clinical staff, which has neither decision making nor time, where the note begins with that; None for
    any other."""
    code = STAFF.get(visit.codes)
    told = where(document.text, "nurse") if code else None
    if code is None or told is None or told.start >= TITLE:
        return None
    nothing = Element("none", ())
    return Em(
        code, "mdm", "none", nothing, nothing, nothing, 0.6, rationale="a visit to staff", notices=("em-staff-visit",)
    )


def check_in(document: Document, encounter: Encounter, visit: Visit) -> Em | None:
    """A brief virtual check-in of an established patient that no visit belongs to (CPT 98016); None for any other."""
    told = where(document.text, "check_in") if encounter.modality in ("audio", "video") else None
    if told is None or visit.status != "established" or says(document.text, "leads_to_visit"):
        return None
    nothing = Element("none", ())
    item = Element("none", (ElementItem("time", "5 to 10 minutes of medical discussion", (told,)),))
    return Em("98016", "time", "none", item, nothing, nothing, 0.6, rationale="a brief virtual check-in")


def medicare_preventive(document: Document, encounter: Encounter) -> str | None:
    """The code of Medicare's own preventive visits that the note names; None where it names none."""
    if not encounter.medicare:
        return None
    named = (("welcome", "G0402"), ("wellness_first", "G0438"), ("wellness", "G0439"))
    return next((code for sort, code in named if says(document.text, sort)), None)


def with_special(
    em: Em,
    document: Document,
    encounter: Encounter,
    minutes: int | None,
    told: Span | None,
    procedures: Sequence[Procedure],
) -> Em:
    """The visit with the codes beside it and the rules that call for a coder."""
    also = (*em.also, *_prolonged(em, encounter, minutes, told))
    longitudinal = _longitudinal(document.text) if _may_be_longitudinal(em, encounter) else None
    notices = [rule for sort, rule in _CODERS if says(document.text, sort)]
    if longitudinal and not _beside_25(em, procedures):
        also = (*also, EmAddOn("G2211", 1, (), "continuing care is documented", (longitudinal,)))
    elif longitudinal:
        notices.append("em-g2211-with-25")
    return replace(em, also=also, notices=(*em.notices, *notices))


_CODERS = (
    ("critical", "em-critical-care"),
    ("transitional", "em-transitional-care"),
    ("shared", "em-split-shared"),
    ("teaching", "em-teaching"),
)


def _prolonged(em: Em, encounter: Encounter, minutes: int | None, told: Span | None) -> Iterator[EmAddOn]:
    payer = MEDICARE if encounter.medicare else "*"
    for row in rows("em_prolonged.tsv"):
        if minutes and row["base"] == em.code and row["payer"] == payer and minutes >= int(row["from"]):
            units = 1 + (minutes - int(row["from"])) // STEP
            why = f"{minutes} minutes, from {row['from']} on a unit each {STEP} minutes"
            yield EmAddOn(row["code"], units, (), why, (told,) if told else ())


def _longitudinal(text: str) -> Span | None:
    """Words for continuing care by this practice; none where the note sets a single visit apart from it."""
    return None if says(text, "not_longitudinal") else where(text, "longitudinal")


def _may_be_longitudinal(em: Em, encounter: Encounter) -> bool:
    """Beside an office visit, also one beside a preventive visit (Physician Fee Schedule final rule 2025)."""
    office = ("9920", "9921")
    return encounter.medicare and any(code.startswith(office) for code in (em.code, *(one.code for one in em.also)))


def _beside_25(em: Em, procedures: Sequence[Procedure]) -> bool:
    """Whether modifier 25 is there for anything but preventive services and vaccines."""
    return "25" in em.modifiers and not all(
        is_vaccine(p.code) or is_giving(p.code) or p.code.startswith(PREVENTIVE_SERVICES) for p in procedures
    )


def separate_visit(em: Em, status: str) -> EmAddOn | None:
    """The problem-oriented visit with modifier 25 beside a preventive one, where a problem took work of its own."""
    worked = [item for item in em.problems.items if item.kind not in PART_OF_PREVENTIVE and item.kind != "time"]
    if not worked or rank(em.level) < rank("low"):
        return None
    codes = [r for r in rows("em_codes.tsv") if r["family"] == f"office_{status}"]
    chosen = [r for r in codes if rank(r["level"]) <= rank(em.level)][-1]
    evidence = tuple(span for item in worked for span in item.evidence)
    return EmAddOn(chosen["code"], 1, ("25",), "a problem was worked up beside the preventive visit", evidence)
