from __future__ import annotations

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
    assert all(a.span.end == b.span.start for a, b in zip(sections, sections[1:], strict=False))
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
