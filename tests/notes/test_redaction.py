from __future__ import annotations

import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codeserve.notes.prepare import prepare
from codeserve.notes.redaction import FLAGS, Redactor, _around, _plain
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
        ("JANUARY 5, 2020 visit", "JANUARY 5"),
        ("on 05-Jan-2020", "05-Jan-2020"),
        ("in 03/2019", "03/2019"),
        ("since 3/14 she", "3/14"),
        ("SSN: 123 45 6789", "123 45 6789"),
        ("fax 555-1234", "555-1234"),
        ("call 5551234567", "5551234567"),
        ("reach 555 123 4567 ext. 12", "ext. 12"),
        ("see portal.example.org/a", "portal.example.org"),
        ("at 2001:db8:85a3:0:0:8a2e:370:7334", "2001:db8"),
        ("123 MAIN STREET", "MAIN"),
        ("P.O. Box 123", "123"),
        ("zip 02118", "02118"),
        ("VIN 1HGCM82633A004352", "1HGCM82633A004352"),
        ("license plate ABC-1234", "ABC-1234"),
        ("aged 95 years", "95"),
        ("a 93 y.o. man", "93"),
        ("ninety-three-year-old", "ninety"),
        ("DR. SMITH saw her", "SMITH"),
        ("Dr. J. van der Núñez-Lee called", "Núñez"),
        ("Mrs. O'Brien came", "Brien"),
        ("Jane Q. Doe, MD", "Doe"),
        ("Electronically signed by: Jane Doe", "Jane"),
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
        "1-2-20 mg, 3-5-10 cm, hydrocodone 10/325 mg, 20/20-2, pH 7.35/45/80, plt 250,000",
        "MR Brain without contrast, MS 12345, OR 10000 cells, may 10 mg, march 5 miles, group: 12345 cells",
        "pain 2-7/10 to 7-8/10, yesterday, last Tuesday, on 5/10 pain scale, 3 Head Ct scans, visit: 2 weeks",
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


@pytest.mark.parametrize(
    ("identifier", "text", "expected"),
    [
        ("Bell", "Bell came; a bell rang; Bell's palsy", "[NAME] came; a bell rang; Bell's palsy"),
        ("May", "May may go", "[NAME] may go"),
        ("Ray Lee", "Ray had an X-ray", "[NAME] had an X-ray"),
        ("Don Wade", "don't wade", "don't wade"),
        ("Pat O'Brien", "O'Brien, OBrien, O’Brien's knee", "[NAME], [NAME], [NAME]'s knee"),
        ("José Nuñez", "Jose\u0301 NUNEZ; nuñez", "[NAME]; [NAME]"),
        ("Anna Collins", "Ms. COLLINS; Anna\nCollins; Annas", "Ms. [NAME]; [NAME]; Annas"),
        ("555 12 34", "at 555-1234", "at [ID]"),
        ("a", "a b", "a b"),
        ("  ", "a b", "a b"),
        ("王小明", "王小明 来了", "[NAME] 来了"),
    ],
)
def test_named_identifiers_and_words_like_them(identifier: str, text: str, expected: str) -> None:
    assert REDACTOR.redact(text, [identifier]).text == expected


@given(
    st.text(alphabet=st.sampled_from("ab 1/.@\n🙂é́[]"), max_size=60),
    st.lists(st.sampled_from(["ab", "01/02/2020", "a@b.co", "x"]), max_size=3),
)
def test_the_map_leads_back(noise: str, planted: list[str]) -> None:
    text = f" {noise} ".join(["start", *planted, "end 02/03/2021"])
    document = prepare(text, ["ab"], REDACTOR)
    assert len(document.starts) == len(document.ends) == len(document.text)
    assert list(document.starts) == sorted(document.starts)
    for place, character in enumerate(document.text):
        original = document.to_original(Span(place, place + 1))
        assert 0 <= original.start < original.end <= len(text)
        replaced = any(r.span.contains(original) for r in REDACTOR.redact(text, ["ab"]).spans)
        assert replaced or original.of(text) == character
    assert document.sections[0].span.start == 0
    assert document.sections[-1].span.end == len(document.text)
    assert all(a.span.end == b.span.start for a, b in pairwise(document.sections))


@pytest.mark.parametrize(
    ("text", "gone"),
    [
        ("Oluwaseun Adebayo is a 54-year-old male with gout.", "Adebayo"),
        ("She came with her husband Thiago today.", "Thiago"),
        ("Zainab denies chest pain.", "Zainab"),
        ("The wound was closed by Wojciech Karczmarz.", "Karczmarz"),
        ("Thank you, Priya Raghunathan, for the referral.", "Raghunathan"),
        ("I saw Margaret Whitfield today.", "Whitfield"),
        ("ADEYI, FALABI  MRN 1234567", "FALABI"),
        ("Patient: Noor Haddad\nDOB: 01/02/1950", "Haddad"),
        ("Her daughter, Grace, called.", "Grace"),
        ("Ms. Ferreira has gout. Later Ferreira's knee swelled.", "Ferreira"),
        ("Vincent Young is a 56-year-old male", "Young"),
    ],
)
def test_people_are_found_without_being_told(text: str, gone: str) -> None:
    assert gone not in REDACTOR.redact(text).text


@pytest.mark.parametrize(
    "text",
    [
        "Positive Murphy sign, negative Lachman and McMurray, Romberg, Tinel and Phalen.",
        "Parkinson disease, Crohn's disease, Bell's palsy, Baker's cyst, Hodgkin lymphoma, Graves disease, Alzheimer.",
        "Foley catheter placed. Babinski downgoing. Allen test normal. Allegra 180 mg. Start Heather once daily.",
        "Patient denies fever. Mother reports a rash. Cardiology states that it may wait. Brought in by EMS.",
        "Mild White Coat Hypertension. Black stools. Long COVID. Brown discharge. Rose Bengal. Young adult.",
    ],
)
def test_clinical_words_are_no_people(text: str) -> None:
    assert REDACTOR.redact(text).text == text


def test_an_eponym_stays_in_the_note_of_a_namesake() -> None:
    text = "Jane Murphy is a 40-year-old female. Murphy's sign is negative."
    assert REDACTOR.redact(text).text == "[NAME] is a 40-year-old female. Murphy's sign is negative."


@given(st.text("aBb -'sX_.", max_size=12), st.sampled_from(("ab", "aa", "b")), st.booleans(), st.booleans())
def test_a_word_stands_where_an_expression_finds_it(text: str, word: str, common: bool, name: bool) -> None:
    before, after = _around(common, name)
    whole = re.compile(before.pattern + word + after.pattern, re.IGNORECASE | FLAGS)
    assert list(_plain(text, word, before, after)) == [Span(*match.span()) for match in whole.finditer(text)]
