"""Edits: what a certified coder would object to, each with its rule, its source and what to do.

The same edits serve codes that were proposed from a note (`check`) and codes of a claim (`rules/claim.py`). Their words
are in data/rules/findings.tsv.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from codeserve.codesets import CodeSets
from codeserve.rules.edits_case import Case, case
from codeserve.rules.edits_diagnoses import diagnosis_edits
from codeserve.rules.edits_global import global_edits
from codeserve.rules.edits_modifiers import modifier_edits
from codeserve.rules.edits_ncci import ncci_edits
from codeserve.rules.edits_necessity import necessity_edits
from codeserve.rules.edits_order import order_edits
from codeserve.rules.edits_patient import patient_edits
from codeserve.rules.edits_procedures import procedure_edits
from codeserve.rules.edits_related import related_edits
from codeserve.rules.edits_setting import setting_edits
from codeserve.rules.edits_tables import table_edits
from codeserve.rules.edits_visit import visit_edits
from codeserve.rules.encounter import Encounter
from codeserve.rules.payer_rules import PayerRules, payer_edits
from codeserve.rules.results import Diagnosis, Em, Finding, Procedure, Severity

ORDER = {severity: place for place, severity in enumerate((Severity.ERROR, Severity.WARNING, Severity.INFO))}
NO_PAYER_RULES = PayerRules()


def check(
    diagnoses: Sequence[Diagnosis],
    procedures: Sequence[Procedure],
    em: Em | None,
    encounter: Encounter,
    codesets: CodeSets,
    payer_rules: PayerRules = NO_PAYER_RULES,
) -> tuple[Finding, ...]:
    """All findings about codes that a note gave; the order as `numbered` has it. The same input gives the same."""
    proposed = case(diagnoses, procedures, em, encounter, codesets)
    return numbered(
        [*edits(proposed, payer_rules), *visit_edits(diagnoses, procedures, em, encounter, proposed.schedule)]
    )


def edits(one: Case, payer_rules: PayerRules) -> Iterator[Finding]:
    """Every edit that codes and tables alone decide."""
    yield from table_edits(one)
    yield from diagnosis_edits(one)
    yield from related_edits(one)
    yield from order_edits(one)
    yield from patient_edits(one)
    yield from procedure_edits(one)
    yield from setting_edits(one)
    yield from modifier_edits(one)
    yield from ncci_edits(one)
    yield from global_edits(one)
    yield from necessity_edits(one)
    yield from payer_edits(one, payer_rules)


def numbered(found: Iterable[Finding]) -> tuple[Finding, ...]:
    """Errors first, else in the order in which they were found, each once; ids count from F1."""
    unique = dict.fromkeys(found)
    ranked = sorted(unique, key=lambda finding: ORDER[finding.severity])
    return tuple(replace(finding, id=f"F{number}") for number, finding in enumerate(ranked, 1))
