from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codeserve.notes.document import SectionKind
from codeserve.notes.items import find_items
from codeserve.notes.sections import split_sections
from codeserve.notes.sentences import split_sentences

LINES = st.sampled_from(
    [
        "CC: pain",
        "HPI",
        "PLAN",
        "Assessment and Plan:",
        "1. Gout",
        "- rest",
        "He is well. No pain.",
        "",
        "## Plan",
        "🙂 é",
    ]
)


def kinds(text: str) -> list[SectionKind]:
    return [section.kind for section in split_sections(text)]


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("CHIEF COMPLAINT", SectionKind.CHIEF_COMPLAINT),
        ("HPI: cough for a week", SectionKind.HPI),
        ("Assessment & Plan", SectionKind.ASSESSMENT_PLAN),
        ("A/P:", SectionKind.ASSESSMENT_PLAN),
        ("## Plan", SectionKind.PLAN),
        ("**Assessment**", SectionKind.ASSESSMENT),
        ("Subjective", SectionKind.HPI),
        ("POSTOPERATIVE DIAGNOSIS: polyp", SectionKind.ASSESSMENT),
        ("PREOPERATIVE DIAGNOSIS: screening", SectionKind.OTHER),
        ("Labs reviewed:", SectionKind.RESULTS),
        ("IV. PLAN", SectionKind.PLAN),
        ("=== PLAN ===", SectionKind.PLAN),
        ("POST-OP DX: polyp", SectionKind.ASSESSMENT),
        ("PROCEDURE(S) PERFORMED:", SectionKind.PROCEDURE),
        ("Findings:", SectionKind.RESULTS),
        ("Discharge Diagnoses:", SectionKind.ASSESSMENT),
        ("Brief Hospital Course", SectionKind.HOSPITAL_COURSE),
        ("Family Hx: heart disease", SectionKind.FAMILY_HISTORY),
        ("History of Present Illness (HPI):", SectionKind.HPI),
        ("Impression/Recommendations:", SectionKind.ASSESSMENT_PLAN),
        ("Subjective/HPI:", SectionKind.HPI),
        ("Visit Diagnoses:", SectionKind.ASSESSMENT),
        ("Plan - rest", SectionKind.PLAN),
    ],
)
def test_headings_open_their_section(line: str, kind: SectionKind) -> None:
    assert kinds(f"Seen today.\n{line}\nmore words here")[-1] is kind


@pytest.mark.parametrize("line", ["• Cardiovascular: regular rhythm", "Plan is to wait", "He has a history of gout"])
def test_prose_and_bullets_open_none(line: str) -> None:
    assert kinds(f"EXAM\n{line}\n") == [SectionKind.EXAM]


def test_a_heading_shares_its_line_with_its_body() -> None:
    text = "PLAN: rest and ice"
    section = split_sections(text)[-1]
    assert section.heading is not None
    assert (section.heading.of(text), section.body.of(text).strip()) == ("PLAN", "rest and ice")


@given(st.lists(LINES, max_size=12), st.sampled_from(["\n", "\r\n"]))
def test_sections_touch_and_cover_and_hold_their_sentences(lines: list[str], end: str) -> None:
    text = end.join(lines)
    sections = split_sections(text)
    assert sections[0].span.start == 0
    assert sections[-1].span.end == len(text)
    assert all(a.span.end == b.span.start for a, b in pairwise(sections))
    for sentence in split_sentences(text, sections):
        assert "\n" not in sentence.of(text)
        assert sentence.of(text) == sentence.of(text).strip() != ""
        assert any(section.span.contains(sentence) for section in sections)
    for item in find_items(text, sections):
        assert item.span.contains(item.heading)


def headings(text: str) -> list[str]:
    return [item.heading.of(text) for item in find_items(text, split_sections(text))]


def test_numbered_problems_with_their_plans() -> None:
    text = (
        "ASSESSMENT AND PLAN\n1. Right ankle sprain.\n- Rest, ice.\n- Naproxen 500 mg.\n\n"
        "2. Hypertension, not at goal.\n- Increase lisinopril.\n"
    )
    assert headings(text) == ["Right ankle sprain", "Hypertension, not at goal"]
    first = find_items(text, split_sections(text))[0]
    assert "Naproxen" in first.span.of(text)
    assert "lisinopril" not in first.span.of(text)


def test_problem_before_colon_or_dash() -> None:
    text = "A/P:\n#HTN: continue lisinopril\n# COPD - stable\n# Obesity\n"
    assert headings(text) == ["HTN", "COPD", "Obesity"]


def test_prose_is_no_item() -> None:
    assert headings("ASSESSMENT\nThe patient is a 62-year-old man with gout.\n") == []


def test_an_abbreviation_does_not_end_a_sentence() -> None:
    text = "She saw Dr. Lee. Better now."
    assert [s.of(text) for s in split_sentences(text, split_sections(text))] == ["She saw Dr. Lee.", "Better now."]


def test_a_label_under_a_problem_does_not_end_the_assessment() -> None:
    text = "ASSESSMENT AND PLAN\n1. Hypertension\nLabs: BMP today\n2. Gout\nINSTRUCTIONS\nRest."
    assert kinds(text) == [SectionKind.ASSESSMENT_PLAN, SectionKind.INSTRUCTIONS]
    assert headings(text) == ["Hypertension", "Gout"]


def test_the_decoration_of_a_heading_is_in_its_section() -> None:
    sections = split_sections("Well.\n## Plan\nRest.")
    assert [s.span.of("Well.\n## Plan\nRest.") for s in sections] == ["Well.\n", "## Plan\nRest."]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("IMPRESSION: 1. Gallstones. 2. Fatty liver. 3. CKD stage 3.", ["Gallstones", "Fatty liver", "CKD stage 3"]),
        ("A/P\n**1. Hypertension**\nBP above goal.\n**2. Gout**\nRest.", ["Hypertension", "Gout"]),
        ("A/P\n# AKI: fluids\n# Dispo: home\n# FEN: regular", ["AKI"]),
        (
            "ASSESSMENT\n- Bronchitis vs. pneumonia\n- St. John's wort use",
            ["Bronchitis vs. pneumonia", "St. John's wort use"],
        ),
        ("ASSESSMENT\n1. Bipolar I disorder\n2. May-Thurner syndrome", ["Bipolar I disorder", "May-Thurner syndrome"]),
        ("ASSESSMENT\n1. Treatment-resistant depression", ["Treatment-resistant depression"]),
        ("ASSESSMENT\nPatient with gout doing well.", []),
        ("ASSESSMENT\n1. Gout\nPLAN\n1. Gout\n- rest\n2. Ice the toe", ["Gout", "Gout", "Ice the toe"]),
        ("Assessment: Gout.\nPlan: rest", ["Gout"]),
        ("PLAN\n- Rest\n- Ice", []),
    ],
)
def test_problem_headings(text: str, expected: list[str]) -> None:
    assert headings(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Take 5 mg. daily", 1),
        ("Took 5 mg. Then left.", 2),
        ("Told me no. She left.", 2),
        ("Low vit. D, e.g. 12.", 1),
        ('He said "well." Then left.', 2),
        ("one\ftwo\u2028three\r\nfour", 4),
    ],
)
def test_sentence_ends(text: str, expected: int) -> None:
    assert len(split_sentences(text, split_sections(text))) == expected


@pytest.mark.parametrize("filler", [" ", ".", "-", "a -", "[*_#", ",.;:", "🙂", "A. "])
def test_long_monotonous_lines_are_read_in_linear_time(filler: str) -> None:
    # Quadratic work on so much text would run into the suite's time limit rather than a figure here.
    text = "ASSESSMENT\nx" + filler * 60_000 + "y"
    sections = split_sections(text)
    assert sections[-1].span.end == len(text)
    find_items(text, sections)
    assert split_sentences(text, sections)[-1].end <= len(text)
