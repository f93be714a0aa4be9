"""Whether the installed tables cover the date of service.

Code sets are versioned by effective dates (ICD-10-CM: 1 October and 1 April; NCCI: each quarter; the fee schedule: each
year): what stands in a table of another period may be wrong.
"""

from __future__ import annotations

from collections.abc import Iterator

from codeserve.codesets.reference import TableInfo
from codeserve.rules.edits_case import Case
from codeserve.rules.edits_words import say
from codeserve.rules.results import Finding


def table_edits(case: Case) -> Iterator[Finding]:
    if case.day is None:
        if case.billed:
            yield say("no-date-of-service", ())
        return
    if case.diagnoses and case.codesets.icd_on(case.day) is None:
        yield say("icd-release", (), day=case.day, release=case.icd.version)
    if not case.lines:
        return
    reference = case.codesets.reference
    for name in dict.fromkeys(table.name for table in reference.tables):
        if reference.table(name, case.day) is None:
            held = "; ".join(_span(table) for table in reference.tables if table.name == name)
            yield say("table-not-covering", (), table=name, day=case.day, held=held)


def _span(table: TableInfo) -> str:
    until = f"until {table.until}" if table.until else "on"
    return f"{table.version}: from {table.effective} {until}"
