from bisect import bisect_left

import pytest

from codeserve.codesets.icd10cm import Icd10cm, normalise_code
from codeserve.codesets.ranges import CodeRange, parse_ranges

EXCLUDES = ("excludes1", "excludes2")


@pytest.mark.parametrize(
    ("note", "inside", "outside"),
    [
        ("a condition (Z22.-)", ["Z22.1", "Z22"], ["Z23", "Z2"]),
        ("conditions (E08-E13)", ["E08.9", "E11.9", "E13.9"], ["E14", "E07.9"]),
        ("conditions (O10-O11, O13-O16)", ["O10.1", "O16.9"], ["O12.0"]),
        ("a condition (C00.0-C00.2)", ["C00.0", "C00.2"], ["C00.3", "C00"]),
        ("letters come after digits (M05-M1A)", ["M19.9", "M1A.0"], ["M20"]),
        ("diabetes (E08-E13 with .51-.52)", ["E11.51", "E13.52"], ["E11.53", "E11.9"]),
        ("mononucleosis (B27.- with fifth character 2)", ["B27.02"], ["B27.01", "B27.0"]),
        ("leukemia C91.0-C95.9 with 5th character 1", ["C91.01"], ["C91.00"]),
        ("torticollis NOS M43.6", ["M43.6"], ["M43.5"]),
        ("a brace that is never closed (Z89.52-", ["Z89.521"], ["Z89.51"]),
    ],
)
def test_what_a_note_names(note: str, inside: list[str], outside: list[str]) -> None:
    spans = parse_ranges(note)
    assert all(any(span.matches(code) for span in spans) for code in inside)
    assert not any(span.matches(code) for span in spans for code in outside)


@pytest.mark.parametrize("note", ["see body system chapters", "acidosis (E08-E13 with ketoacidosis)", ""])
def test_a_note_without_codes_or_with_an_unknown_condition_names_none(note: str) -> None:
    assert parse_ranges(note) == ()


def test_what_notes_name_exists(icd: Icd10cm) -> None:
    known = sorted({line for code in icd.billable_codes() for line in (code, icd.stem(code), code[:3])})
    spans = [span for code in known for kind in EXCLUDES for note in _notes(icd, code, kind) for span in note]
    unknown = {span.note for span in spans if not _some_begin_with(known, span.first)}
    assert len(spans) > 1_500
    assert len(unknown) <= 5, unknown  # "G6PD" reads like a code


def _notes(icd: Icd10cm, code: str, kind: str) -> list[tuple[CodeRange, ...]]:
    line = icd.get(code)
    return [parse_ranges(note) for note in line.notes.get(kind, ())] if line else []


def _some_begin_with(codes: list[str], bare: str) -> bool:
    prefix = normalise_code(bare)
    at = bisect_left(codes, prefix)
    return at < len(codes) and codes[at].startswith(prefix)
