from __future__ import annotations

import pytest

from codeserve.codesets import CodeSets
from codeserve.notes.prepare import prepare
from codeserve.notes.redaction import Redactor
from codeserve.rules.status import status_codes
from codeserve.rules.tables import rows


@pytest.mark.parametrize(
    ("text", "codes", "age", "found"),
    [
        ("Takes metformin and glargine.", ["E11.9"], 50, {"Z79.84": "metformin", "Z79.4": "glargine"}),
        ("Takes metformin.", ["I10"], 50, {}),
        ("Stop metformin. Start Ozempic weekly.", ["E11.65"], 50, {"Z79.85": "Ozempic"}),
        ("We discussed insulin.", ["E11.65"], 50, {}),
        ("ALLERGIES\nAspirin\n\nHPI\nOn Plavix.", ["I25.10"], 70, {"Z79.02": "Plavix"}),
        ("BMI 38.4 today.", ["E66.9"], 40, {"Z68.38": "BMI 38.4"}),
        ("BMI is 52.", ["E66.01"], 40, {"Z68.43": "BMI is 52"}),
        ("BMI 31.", ["E66.9"], 12, {}),
    ],
)
def test_status_codes(redactor: Redactor, text: str, codes: list[str], age: int, found: dict[str, str]) -> None:
    document = prepare(text, (), redactor)
    assert {s.code: s.span.of(document.text) for s in status_codes(document, codes, age)} == found


def test_every_status_code_is_billable(codesets: CodeSets) -> None:
    codes = [row["code"] for row in rows("status_codes.tsv")]
    assert codes == [code for code in codes if codesets.icd.is_billable(code)]
