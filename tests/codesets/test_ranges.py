import pytest

from codeserve.codesets.icd10cm import NOTES, Icd10cm
from codeserve.codesets.ranges import parse_ranges


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
    codes = [line for code in icd.billable_codes() for line in (code, *icd.ancestors(code))]
    known = sorted({code.replace(".", "") for code in codes if "-" not in code})
    notes = {note for code in known for kind in NOTES[2:4] for note in icd.get(code).notes.get(kind, ())}  # type: ignore[union-attr]
    spans = {(span.first, span.last): span for note in notes for span in parse_ranges(note) if not span.pattern}
    unknown = [span.note for span in spans.values() if not any(c.startswith(span.first) for c in known)]
    assert len(spans) > 1_500
    assert len(unknown) <= 5, unknown  # "G6PD" reads like a code
