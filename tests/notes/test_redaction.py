from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codeserve.notes.prepare import prepare
from codeserve.notes.redaction import Redactor
from codeserve.notes.spans import Span

REDACTOR = Redactor()


@pytest.mark.parametrize(
    ("text", "gone"),
    [
        ("Seen on 01/22/2013 for cough", "01/22/2013"),
        ("Seen 2021-04-10.", "2021-04-10"),
        ("since January 5th, 2020 she", "January 5th, 2020"),
        ("write to jo.doe@example.org now", "jo.doe@example.org"),
        ("call (555) 123-4567 today", "(555) 123-4567"),
        ("SSN 123-45-6789", "123-45-6789"),
        ("MRN: 00482913", "00482913"),
        ("see https://example.org/a?b=1 for", "https://example.org/a?b=1"),
        ("lives at 12 Old Mill Road, Apt 4", "12 Old Mill Road, Apt 4"),
        ("Springfield, IL 62704", "62704"),
        ("from 192.168.10.4", "192.168.10.4"),
        ("DEA number AB1234563", "AB1234563"),
        ("Member ID: XJ882716", "XJ882716"),
        ("referred by Dr. Amira Salah", "Amira Salah"),
        ("a 93-year-old woman", "93"),
        ("device serial number 8KX-2291", "8KX-2291"),
    ],
)
def test_pattern_shaped_identifiers_go(text: str, gone: str) -> None:
    assert gone not in REDACTOR.redact(text).text


@pytest.mark.parametrize(
    "text",
    [
        "BP 120/80, pain 5/10, grade 3/6 murmur, strength 5/5",
        "lisinopril 10 mg, 2 tabs, L4-5 disc, T 101.4, A1c 8.9 %, for 2 weeks",
        "an 89-year-old man with Parkinson disease and a Baker's cyst, Crohn's disease, Bell's palsy",
        "creatinine 1.6, eGFR 38, 1 in 2021, 12-lead EKG, x-ray 3 views",
    ],
)
def test_clinical_numbers_and_eponyms_stay(text: str) -> None:
    assert REDACTOR.redact(text).text == text


def test_named_identifiers_go_whole_and_in_parts() -> None:
    text = "Ms. LENA HOFMANN came. Lena  Hofmann; Hofmann's knee. The bell rang for Bell."
    redacted = REDACTOR.redact(text, ["Lena Hofmann", "Jo Bell"]).text
    assert "ofmann" not in redacted.lower()
    assert "lena" not in redacted.lower()
    assert "The bell rang for [NAME]." in redacted


@given(
    st.text(alphabet=st.sampled_from("ab 1/.@\n🙂é́[]"), max_size=60),
    st.lists(st.sampled_from(["ab", "01/02/2020", "a@b.co", "x"]), max_size=3),
)
def test_the_map_leads_back(noise: str, planted: list[str]) -> None:
    text = f" {noise} ".join(["start", *planted, "end 02/03/2021"])
    document = prepare(text, ["ab"], REDACTOR)
    assert len(document.starts) == len(document.ends) == len(document.text)
    assert list(document.starts) == sorted(document.starts)
    for place in range(len(document.text)):
        original = document.to_original(Span(place, place + 1))
        assert 0 <= original.start < original.end <= len(text)
        if len(original) == 1 and document.text[place] not in "[]":
            assert original.of(text) == document.text[place] or "[" in document.text
    assert document.sections[0].span.start == 0
    assert document.sections[-1].span.end == len(document.text)
    assert all(a.span.end == b.span.start for a, b in zip(document.sections, document.sections[1:], strict=False))
