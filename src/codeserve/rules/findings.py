"""Edits: what a certified coder would object to, each with its rule, its source and what to do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from codeserve.codesets import CodeSets
from codeserve.rules.edits_diagnoses import diagnosis_edits
from codeserve.rules.edits_procedures import procedure_edits
from codeserve.rules.edits_visit import visit_edits
from codeserve.rules.encounter import Encounter
from codeserve.rules.results import Diagnosis, Em, Finding, Procedure, Severity

ORDER = (Severity.ERROR, Severity.WARNING, Severity.INFO)


def check(
    diagnoses: Sequence[Diagnosis],
    procedures: Sequence[Procedure],
    em: Em | None,
    encounter: Encounter,
    codesets: CodeSets,
) -> tuple[Finding, ...]:
    """All findings, errors first, else in the order of the rules; ids count from F1. The same input gives the same."""
    found = [
        *diagnosis_edits(diagnoses, encounter, codesets),
        *procedure_edits(diagnoses, procedures, codesets),
        *visit_edits(diagnoses, procedures, em, encounter),
    ]
    ranked = sorted(found, key=lambda finding: ORDER.index(finding.severity))
    return tuple(replace(finding, id=f"F{number}") for number, finding in enumerate(ranked, 1))
