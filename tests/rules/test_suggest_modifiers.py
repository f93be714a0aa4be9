"""Each modifier that a note may call for: where it does, where it does not, and where the note contradicts itself."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from codeserve.codesets import CodeSets
from codeserve.notes.spans import Span
from codeserve.rules.claim import Claim, Line, validate
from codeserve.rules.edits_modifiers import MOST
from codeserve.rules.em_modifiers import em_modifiers, telehealth
from codeserve.rules.encounter import Encounter, RecentProcedure
from codeserve.rules.modifier_cues import cued, sentence_at
from codeserve.rules.results import ModifierReason, Procedure, Severity
from codeserve.rules.schedule import Schedule
from codeserve.rules.suggest_modifiers import _rank, suggest_modifiers
from codeserve.rules.tables import rows
from tests.rules.making import diagnosis, document, procedure

DAY = date(2026, 5, 4)
OFFICE = Encounter(date_of_service=DAY, place_of_service="11")
THEATRE = Encounter(date_of_service=DAY, place_of_service="22", note_type="operative")
MEDICARE = replace(OFFICE, payer="Medicare Part B")
COMMERCIAL = replace(OFFICE, payer="Blue Example")
Told = tuple[str, str]  # a code, and words of the sentence that tells of it


def line(text: str, code: str, words: str, *modifiers: str) -> Procedure:
    place = sentence_at(text, text.index(words))
    return replace(procedure(code, modifiers, units=1), evidence=(place,))


def billed(
    codesets: CodeSets,
    text: str,
    *told: Told | tuple[str, str, str],
    visit: Encounter = OFFICE,
    codes: tuple[str, ...] = ("R69",),
) -> tuple[Procedure, ...]:
    lines = [line(text, *one) for one in told]
    lines = [replace(p, diagnosis_pointers=tuple(range(1, len(codes) + 1))) for p in lines]
    found = [diagnosis(code, Span(0, 1), "", n) for n, code in enumerate(codes, 1)]
    return suggest_modifiers(lines, found, document(text), visit, codesets)


def modifiers(codesets: CodeSets, text: str, *told: Told, visit: Encounter = OFFICE, **more: object) -> list[set[str]]:
    return [set(p.modifiers) for p in billed(codesets, text, *told, visit=visit, **more)]  # type: ignore[arg-type]


def after(code: str, days: int, *marks: str, visit: Encounter = THEATRE) -> Encounter:
    return replace(visit, recent_procedures=(RecentProcedure(code, date.fromordinal(DAY.toordinal() - days), marks),))


# -- how it went: 22, 52, 53, assistants

GALL = "PROCEDURE: Laparoscopic cholecystectomy was performed. "


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("The operation was significantly more difficult because of dense adhesions from prior surgery.", {"22"}),
        ("Adhesiolysis added 70 minutes to the operative time due to a frozen hilum.", {"22"}),
        ("It took more than twice the usual time owing to gangrene.", {"22"}),
        ("It took twice as long as usual. This was secondary to dense adhesions.", {"22"}),
        ("The operation was significantly more difficult.", set()),
        ("The operation was not significantly more difficult because exposure was good.", set()),
        ("It was slightly more difficult because of adhesions.", set()),
    ],
)
def test_much_more_work(codesets: CodeSets, said: str, expected: set[str]) -> None:
    (found,) = modifiers(codesets, GALL + said, ("47562", "cholecystectomy"), visit=THEATRE)
    assert found == expected


def test_much_more_work_is_for_services_with_a_global_period(codesets: CodeSets) -> None:
    text = "PROCEDURE: ECG was performed. It was significantly more difficult because of tremor."
    assert modifiers(codesets, text, ("93000", "ECG")) == [set()]


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("The procedure was terminated because of hypotension and bradycardia.", {"53"}),
        ("We aborted the procedure when the patient desaturated; hypoxia to 80 percent.", {"53"}),
        ("The procedure was stopped after the first specimen.", {"52"}),
        ("The procedure was only partially completed.", {"52"}),
        ("A remainder of the procedure was not performed at the surgeon's discretion.", {"52"}),
        ("The procedure was cancelled before anesthesia; the procedure was stopped for hypotension.", set()),
        ("Risks were explained, among them that the procedure may be stopped for bleeding.", set()),
        ("The procedure was completed without bleeding.", set()),
    ],
)
def test_cut_short(codesets: CodeSets, said: str, expected: set[str]) -> None:
    text = f"PROCEDURE: Cystoscopy was performed. {said}"
    assert modifiers(codesets, text, ("52000", "Cystoscopy"), visit=THEATRE) == [expected]


def test_history_of_a_stopped_procedure_is_none(codesets: CodeSets) -> None:
    text = "HPI: The last procedure was aborted for hypotension.\nPROCEDURE: Cystoscopy was performed."
    assert modifiers(codesets, text, ("52000", "Cystoscopy")) == [set()]


@pytest.mark.parametrize(
    ("code", "said", "expected"),
    [
        ("45378", "The scope could not be advanced beyond the splenic flexure.", {"53"}),
        ("45380", "The scope could not be advanced beyond the splenic flexure.", {"52"}),
        ("45378", "The cecum was reached and identified.", set()),
        # Contradicting: at first not, then reached.
        ("45378", "At first we were unable to reach the cecum. With pressure the cecum was reached.", set()),
    ],
)
def test_incomplete_colonoscopy(codesets: CodeSets, code: str, said: str, expected: set[str]) -> None:
    text = f"PROCEDURE: Colonoscopy was performed. {said}"
    assert modifiers(codesets, text, (code, "Colonoscopy"), visit=THEATRE) == [expected]


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("Role: physician assistant. I assisted Dr. Example with the operation.", {"AS"}),
        ("I acted as first assistant. No qualified resident was available.", {"82"}),
        ("I acted as first assistant.", {"80"}),
        ("Assistant: Pat Example, PA-C.", set()),  # the surgeon's own note
        ("He was assisted to the bed.", set()),
    ],
)
def test_assistants(codesets: CodeSets, said: str, expected: set[str]) -> None:
    text = f"OPERATIVE NOTE\n{said}\nPROCEDURE: Right hemicolectomy was performed."
    assert modifiers(codesets, text, ("44140", "hemicolectomy"), visit=THEATRE) == [expected]


# -- global periods: 58, 78, 79, 24


@pytest.mark.parametrize(
    ("said", "visit", "expected"),
    [
        ("Second stage of the planned staged procedure.", after("47562", 20), {"58"}),
        ("Returned to the operating room for bleeding from the port site.", after("47562", 3), {"78"}),
        ("Returned to the operating room for bleeding.", after("47562", 3, visit=OFFICE), set()),
        ("Planned return to the operating room for second look; no bleeding.", after("47562", 3), {"58"}),
        ("The hernia is unrelated to the gallbladder operation.", after("47562", 30), {"79"}),
        ("The hernia is not unrelated to the operation.", after("47562", 30), set()),
        ("Nothing else.", after("47562", 30), set()),
        ("Second stage of the staged procedure.", after("47562", 120), set()),  # past the 90 days
        ("Unrelated to the operation, and the second stage of the staged procedure.", after("47562", 9), set()),
    ],
)
def test_after_an_operation(codesets: CodeSets, said: str, visit: Encounter, expected: set[str]) -> None:
    text = f"PROCEDURE: Repair of a hernia was performed. {said}"
    assert modifiers(codesets, text, ("49505", "hernia"), visit=visit, codes=("K40.90",)) == [expected]


def test_the_other_eye_is_another_matter(codesets: CodeSets) -> None:
    text = "PROCEDURE: Cataract extraction of the left eye was performed."
    first = after("66984", 14, "RT")
    assert modifiers(codesets, text, ("66984", "Cataract", "LT"), visit=first) == [{"LT", "79"}]  # type: ignore[arg-type]
    same = after("66984", 14, "LT")
    assert modifiers(codesets, text, ("66984", "Cataract", "LT"), visit=same) == [{"LT"}]  # type: ignore[arg-type]


def test_care_of_surgery_alone_has_no_period(codesets: CodeSets) -> None:
    text = "PROCEDURE: Second stage of the staged procedure: hernia repair was performed."
    assert modifiers(codesets, text, ("49505", "hernia"), visit=after("47562", 9, "54")) == [set()]


@pytest.mark.parametrize(
    ("recent", "days", "codes", "expected"),
    [
        ("66984", 20, ("J45.901",), ["24"]),
        ("66984", 20, ("H59.031",), []),
        ("66984", 20, ("Z48.810",), []),
        ("66984", 20, ("R05.9",), []),  # a symptom may belong to the recovery
        ("27447", 20, ("M25.511",), []),  # of the same chapter: left to a coder
        ("27447", 20, ("E11.9",), ["24"]),
        ("27447", 120, ("E11.9",), []),
        ("93000", 1, ("E11.9",), []),  # has no global period
    ],
)
def test_a_visit_after_an_operation(recent: str, days: int, codes: tuple[str, ...], expected: list[str]) -> None:
    visit = after(recent, days, visit=OFFICE)
    found = em_modifiers(document("Note."), [diagnosis(c, sequence=1) for c in codes], (), visit, Schedule.of(visit))
    assert [one.modifier for one in found] == expected


# -- the visit: 25, 57, telehealth


def of_visit(text: str, code: str, *codes: str, visit: Encounter = OFFICE) -> list[ModifierReason]:
    done = replace(procedure(code, pointers=(1,)), evidence=(Span(0, len(text)),))
    found = [diagnosis(c, sequence=n) for n, c in enumerate(codes, 1)]
    return list(em_modifiers(document(text), found, [done], visit, Schedule.of(visit)))


def test_a_visit_beside_a_service() -> None:
    (one,) = of_visit("Knee injected; asthma adjusted.", "20610", "M17.11", "J45.40")
    assert (one.modifier, one.evidence) == ("25", (Span(0, 1),))
    assert "J45.40" in one.reason
    assert "20610" in one.reason
    assert of_visit("Knee injected.", "20610", "M17.11") == []
    assert [m.modifier for m in of_visit("Hip fracture, taken to surgery.", "27236", "S72.001A")] == ["57"]
    assert of_visit("She presents for scheduled hip surgery today.", "27236", "S72.001A") == []
    assert of_visit("An ECG was done.", "93000", "R07.9", "J45.40") == []


def test_a_vaccine_at_an_examination() -> None:
    """The examination is apart from giving the vaccine, though nothing else was wrong."""
    (one,) = of_visit("Annual exam. Flu shot given.", "90471", "Z23", "Z00.00")
    assert (one.modifier, "Z00.00" in one.reason) == ("25", True)
    assert of_visit("Flu shot given.", "90471", "Z23") == []


@pytest.mark.parametrize(
    ("payer", "modality", "expected"),
    [
        (None, "video", ["95"]),
        ("Medicare", "video", ["95"]),
        ("Example Medicaid Plan", "video", ["GT"]),
        ("Example Medicaid Plan", "audio", ["93"]),
        ("Medicare", "in_person", []),
        (None, None, []),
    ],
)
def test_through_a_screen(payer: str | None, modality: str | None, expected: list[str]) -> None:
    assert [m.modifier for m in telehealth(replace(OFFICE, payer=payer, modality=modality))] == expected


# -- pairs and repeats: 59, XE, XP, XS, XU, 76, 77, 91

SKIN = ("17000", "destroyed"), ("11102", "biopsied")


@pytest.mark.parametrize(
    ("text", "visit", "expected"),
    [
        ("The keratosis of the scalp was destroyed. A lesion of the left cheek was biopsied.", OFFICE, {"59"}),
        ("The keratosis of the scalp was destroyed. A lesion of the left cheek was biopsied.", MEDICARE, {"XS"}),
        ("A keratosis was destroyed. A separate lesion was biopsied.", MEDICARE, {"XS"}),
        ("A keratosis of the right hand was destroyed. A lesion of the left hand was biopsied.", MEDICARE, {"XS"}),
        ("A keratosis of the hand was destroyed. A lesion of the left hand was biopsied.", OFFICE, set()),
        ("A keratosis was destroyed. A lesion was biopsied.", OFFICE, set()),
        ("A keratosis of the scalp was destroyed. The same lesion was biopsied.", OFFICE, set()),
        ("A keratosis was destroyed. She returned later today and a lesion was biopsied.", MEDICARE, {"XE"}),
        ("A keratosis was destroyed. Another was biopsied, done by another physician.", MEDICARE, {"XP"}),
    ],
)
def test_services_of_a_pair(codesets: CodeSets, text: str, visit: Encounter, expected: set[str]) -> None:
    found = billed(codesets, text, *SKIN, visit=visit)
    of_second = next(set(p.modifiers) for p in found if p.code == "11102")
    of_first = next(set(p.modifiers) for p in found if p.code == "17000")
    assert of_second - {"51"} == expected
    assert not of_first & {"59", "XS", "XE", "XP"}


def test_a_pair_by_what_the_first_found(codesets: CodeSets) -> None:
    text = "Polyps were removed. Based on the findings of the diagnostic colonoscopy another was taken as biopsy."
    found = billed(codesets, text, ("45385", "removed"), ("45380", "biopsy"), visit=MEDICARE)
    assert [p.modifiers for p in found if p.code == "45380"] == [("XU",)]


def test_a_pair_that_no_modifier_allows(codesets: CodeSets) -> None:
    text = "A whole ECG was done. A separate lesion. A tracing was done."
    assert modifiers(codesets, text, ("93000", "whole"), ("93005", "tracing")) == [set(), set()]


def test_both_sides_are_apart_already(codesets: CodeSets) -> None:
    text = "The right knee was injected. The left ankle was injected."
    told = (("20610", "knee", "RT"), ("20605", "ankle", "LT"))
    assert modifiers(codesets, text, *told, visit=MEDICARE) == [{"RT"}, {"LT"}]  # type: ignore[arg-type]
    one_side = "The right knee was injected. The right ankle was injected."
    told = (("20610", "knee", "RT"), ("20605", "ankle", "RT"))
    assert modifiers(codesets, one_side, *told, visit=MEDICARE) == [{"RT"}, {"RT", "XS"}]  # type: ignore[arg-type]


def test_done_before_on_the_day(codesets: CodeSets) -> None:
    visit = replace(OFFICE, recent_procedures=(RecentProcedure("93000", DAY), RecentProcedure("82962", DAY)))
    assert modifiers(codesets, "ECG was done.", ("93000", "ECG"), visit=visit) == [{"76"}]
    other = "ECG was done, the first one earlier by another physician."
    assert modifiers(codesets, other, ("93000", "ECG"), visit=visit) == [{"77"}]
    assert modifiers(codesets, "Glucose was done.", ("82962", "Glucose"), visit=visit) == [{"91"}]
    assert modifiers(codesets, "ECG was done.", ("93000", "ECG")) == [set()]
    week = replace(OFFICE, recent_procedures=(RecentProcedure("93000", date(2026, 4, 27)),))
    assert modifiers(codesets, "ECG was done.", ("93000", "ECG"), visit=week) == [set()]


# -- payer and place: 51, 33, PT, 26, TC


def test_further_operations(codesets: CodeSets) -> None:
    text = "The carpal tunnel was released. An abscess was drained."
    told = (("10060", "abscess"), ("64721", "carpal"))
    assert modifiers(codesets, text, *told, visit=COMMERCIAL) == [{"51"}, set()]
    assert modifiers(codesets, text, *told, visit=MEDICARE) == [set(), set()]
    # Without values the larger of two of one global period is not known.
    alike = "The scalp abscess was drained. The toe abscess was drained."
    assert modifiers(codesets, alike, ("10060", "scalp"), ("10120", "toe")) == [set(), set()]
    add_on = "Two lesions were biopsied. And an abscess was drained."
    assert modifiers(codesets, add_on, ("11102", "biopsied"), ("11103", "biopsied"), ("10060", "abscess")) == [
        {"51"},
        set(),
        set(),
    ]


@pytest.mark.parametrize(
    ("code", "diagnoses", "visit", "expected"),
    [
        ("45385", ("Z12.11", "D12.3"), COMMERCIAL, {"33"}),
        ("45385", ("Z12.11", "D12.3"), MEDICARE, {"PT"}),
        ("45385", ("K62.5", "D12.3"), COMMERCIAL, set()),
        ("45385", ("K62.5", "D12.3"), MEDICARE, set()),
        ("45385", ("Z12.11",), OFFICE, set()),  # the payer was not told
        ("45378", ("Z12.11",), MEDICARE, set()),  # Medicare has G0121 for it
        ("80061", ("Z13.220",), COMMERCIAL, {"33"}),
        ("80061", ("E78.5",), COMMERCIAL, set()),
        ("58300", ("Z30.430",), COMMERCIAL, {"33"}),
        ("77067", ("Z12.31",), COMMERCIAL, set()),  # preventive by itself
        ("80061", ("Z13.220",), replace(OFFICE, payer="Example Medicaid"), set()),
    ],
)
def test_preventive(
    codesets: CodeSets, code: str, diagnoses: tuple[str, ...], visit: Encounter, expected: set[str]
) -> None:
    assert modifiers(codesets, "It was done.", (code, "done"), visit=visit, codes=diagnoses) == [expected]


@pytest.mark.parametrize(
    ("text", "visit", "expected"),
    [
        ("Chest x-ray was done and sent to radiology for interpretation.", OFFICE, {"TC"}),
        ("Chest x-ray was done and interpreted by me, sent to radiology for over-read.", OFFICE, set()),
        ("Chest x-ray was done.", OFFICE, set()),
        ("Chest x-ray interpreted by me.", replace(OFFICE, place_of_service="23"), {"26"}),
    ],
)
def test_parts_of_a_test(codesets: CodeSets, text: str, visit: Encounter, expected: set[str]) -> None:
    assert modifiers(codesets, text, ("71046", "x-ray"), visit=visit) == [expected]


def test_no_part_of_a_test_that_has_none(codesets: CodeSets) -> None:
    text = "ECG was done, to be interpreted by the cardiologist."
    assert modifiers(codesets, text, ("93000", "ECG")) == [set()]


def test_what_the_fee_schedule_does_not_pay_is_not_suggested(codesets: CodeSets) -> None:
    text = "Both were done."
    assert modifiers(codesets, text, ("20610", "done", "50")) == [{"50"}]  # type: ignore[arg-type]
    assert modifiers(codesets, text, ("10060", "done", "50")) == [set()]  # type: ignore[arg-type]
    assert modifiers(codesets, text, ("20610", "done", "F8")) == [{"F8"}]  # type: ignore[arg-type]
    assert modifiers(codesets, text, ("28285", "done", "F8")) == [set()]  # type: ignore[arg-type]


# -- drugs: JW, JZ


@pytest.mark.parametrize(
    ("text", "code", "expected"),
    [
        ("Botox 155 units was injected and 45 units discarded.", "J0585", [(155, ()), (45, ("JW",))]),
        ("Botox 155 units was injected. Waste: 45 units.", "J0585", [(155, ()), (45, ("JW",))]),
        ("Botox 200 units was injected, no waste.", "J0585", [(200, ("JZ",))]),
        ("Prolia 60 mg was given; the entire syringe was used.", "J0897", [(60, ("JZ",))]),
        ("Kenalog 40 mg was given from a multi-dose vial, the rest discarded.", "J3301", [(4, ())]),
        ("Botox 155 units was injected.", "J0585", [(155, ())]),
        # 7 mg of a 10 mg vial: the unit of 10 mg that is billed holds the rest.
        ("Kenalog 7 mg was given and 3 mg wasted.", "J3301", [(1, ("JZ",))]),
        # Contradicting: an amount thrown away, and none. Nothing is billed as thrown away.
        ("Botox 155 units was injected, 45 units discarded; no waste.", "J0585", [(155, ("JZ",))]),
    ],
)
def test_drugs_thrown_away(
    codesets: CodeSets, text: str, code: str, expected: list[tuple[int, tuple[str, ...]]]
) -> None:
    words = text.split()[0]
    done = replace(line(text, code, words), units=expected[0][0])
    found = suggest_modifiers([done], [diagnosis("G43.709")], document(text), MEDICARE, codesets)
    assert [(p.units, p.modifiers) for p in found] == expected
    other = suggest_modifiers([done], [diagnosis("G43.709")], document(text), COMMERCIAL, codesets)
    assert [p.modifiers for p in other] == [()]


# -- what holds for all


def test_every_modifier_has_its_reason_source_and_evidence(codesets: CodeSets) -> None:
    text = "The carpal tunnel was released. An abscess was drained; it was much more difficult because of scarring."
    found = billed(codesets, text, ("10060", "abscess"), ("64721", "carpal"), visit=COMMERCIAL)
    for one in found:
        assert [reason.modifier for reason in one.modifier_reasons] == list(one.modifiers)
    hard = next(r for p in found for r in p.modifier_reasons if r.modifier == "22")
    assert "why" in hard.reason
    assert "appendix A" in hard.source
    assert "because of scarring" in hard.evidence[0].of(text)


def test_a_sort_of_words_that_no_row_has() -> None:
    with pytest.raises(KeyError):
        cued("nothing", document("Note."))


def test_the_tables_hold_together() -> None:
    known = {row["modifier"] for row in rows("modifiers.tsv")}
    assert {m for row in rows("modifier_order.tsv") for m in row["modifiers"].split("|")} <= known
    assert {row["modifier"] for row in rows("telehealth_modifiers.tsv")} <= known
    sorts = {row["sort"] for row in rows("modifier_cues.tsv")}
    assert {s.removeprefix("not_") for s in sorts if s.startswith("not_")} <= sorts
    assert all(row["source"] and row["reason"] for row in rows("modifier_reasons.tsv"))


SENTENCES = (
    "The right knee was injected",
    "A keratosis of the scalp was destroyed",
    "A separate lesion of the left cheek was biopsied",
    "The operation was much more difficult because of dense scarring",
    "The procedure was terminated because of hypotension",
    "The procedure was only partially completed",
    "Second stage of the planned staged procedure",
    "Returned to the operating room for bleeding",
    "Unrelated to the earlier operation",
    "I acted as first assistant",
    "Images were sent to radiology for interpretation",
    "Botox 155 units was injected and 45 units discarded",
    "She returned later today",
    "Done by another physician earlier",
)
CODES = ("20610", "17000", "17003", "11102", "10060", "47562", "45380", "45385", "71046", "93000", "J0585", "80061")
MARKS = ("RT", "LT", "50", "F8", "QW", "26", "95", "E1")


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_suggested_claim_passes_our_own_edits(codesets: CodeSets, data: st.DataObject) -> None:
    text = ". ".join(data.draw(st.lists(st.sampled_from(SENTENCES), min_size=1, max_size=6))) + "."
    coded = data.draw(st.lists(st.sampled_from(CODES), min_size=1, max_size=5, unique=True))
    place = st.integers(0, len(text) - 1).map(lambda at: (sentence_at(text, at),))
    marks = st.lists(st.sampled_from(MARKS), max_size=4, unique=True).map(tuple)
    lines = [replace(procedure(c, data.draw(marks)), evidence=data.draw(place)) for c in coded]
    recent = data.draw(st.lists(st.sampled_from(["47562", "66984", "93000", "10060"]), max_size=2))
    visit = Encounter(
        date_of_service=DAY,
        place_of_service=data.draw(st.sampled_from(["11", "21", "22", "23"])),
        payer=data.draw(st.sampled_from([None, "Medicare", "Example Medicaid", "Blue Example"])),
        modality=data.draw(st.sampled_from([None, "video"])),
        recent_procedures=tuple(RecentProcedure(c, date(2026, 5, data.draw(st.integers(1, 4)))) for c in recent),
    )
    found = suggest_modifiers(lines, [diagnosis("Z12.11")], document(text), visit, codesets)
    assert sorted({p.code for p in found}) == sorted(coded)
    for one in found:
        assert len(set(one.modifiers)) == len(one.modifiers) <= MOST
        assert list(one.modifiers) == sorted(one.modifiers, key=_rank)
        assert all(span.end <= len(text) for r in one.modifier_reasons for span in r.evidence)
    claim = Claim.of(
        visit, ["Z12.11"], [Line(p.code, p.modifiers, p.units, p.diagnosis_pointers) for p in found], codesets
    )
    objections = [f for f in validate(claim, codesets) if f.rule.startswith("modifier")]
    assert [f for f in objections if f.severity is not Severity.INFO] == []
