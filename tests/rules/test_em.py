from __future__ import annotations

from importlib.resources import files
from typing import Any

import pytest
import yaml

from codeserve.notes.spans import Span
from codeserve.rules.em import decide_em
from codeserve.rules.em_visit import stated_age, total_minutes, visit_of
from codeserve.rules.encounter import Encounter
from codeserve.rules.levels import rank
from codeserve.rules.results import Em, Procedure
from codeserve.rules.tables import rows
from tests.rules.making import diagnosis, document, named, procedure

DATA = files("tests.rules") / "data"
VIGNETTES: list[dict[str, Any]] = [
    vignette
    for name in ("em_vignettes.yaml", "em_vignettes_more.yaml")
    for vignette in yaml.safe_load((DATA / name).read_text(encoding="utf-8"))
]
HELD_OUT: list[dict[str, Any]] = yaml.safe_load((DATA / "em_heldout.yaml").read_text(encoding="utf-8"))
# Vignettes that another author wrote without sight of the rules. Every third was set aside at first (0.76 then,
# docs/accuracy.md); since 2026-11-25 all are read. The floors are what the rules reached, so that a change shows.
SET_ASIDE = HELD_OUT[2::3]
READ = [vignette for n, vignette in enumerate(HELD_OUT) if n % 3 != 2]
# Two thirds of a second set by two other authors, read after its first measurement; the last third is kept elsewhere.
BLIND: list[dict[str, Any]] = yaml.safe_load((DATA / "em_blind_tune.yaml").read_text(encoding="utf-8"))
# The third of the second set that was set aside before the rules were tuned, and measured once they were.
SEALED: list[dict[str, Any]] = yaml.safe_load((DATA / "em_blind_sealed.yaml").read_text(encoding="utf-8"))
A_AND_P = "ASSESSMENT AND PLAN:\n"


def coded(vignette: dict[str, Any]) -> Em | None:
    text = vignette["text"]
    diagnoses = named(text, *(tuple(pair) for pair in vignette["diagnoses"]))
    return decide_em(document(text), diagnoses, (), Encounter(**vignette["encounter"]))


@pytest.mark.parametrize("vignette", VIGNETTES, ids=[v["id"] for v in VIGNETTES])
def test_vignette(vignette: dict[str, Any]) -> None:
    em = coded(vignette)
    assert em is not None
    told = (em.code, em.method, [em.problems.level, em.data.level, em.risk.level])
    expected = vignette["expect"]
    assert told == (expected["code"], expected["method"], expected["elements"]), vignette["why"]


def test_every_item_cites_words_of_the_note() -> None:
    for vignette in VIGNETTES:
        em = coded(vignette)
        assert em is not None
        for item in (*em.problems.items, *em.data.items, *em.risk.items):
            assert item.evidence
            for span in item.evidence:
                said = span.of(vignette["text"])
                assert said
                assert said == said.strip()


def test_a_vignette_for_every_family_and_level() -> None:
    codes = {v["expect"]["code"] for v in VIGNETTES}
    families = {r["family"] for r in rows("em_codes.tsv") if r["code"] in codes}
    families |= {r["family"] for r in rows("em_discharge.tsv") if r["code"] in codes}
    assert {"office_new", "office_established", "hospital_initial", "hospital_subsequent", "same_day"} <= families
    assert {"emergency", "nursing_initial", "nursing_subsequent", "home_new", "home_established"} <= families
    assert {"consult_outpatient", "consult_inpatient", "hospital_discharge"} <= families
    assert len({v["id"] for v in VIGNETTES}) == len(VIGNETTES) >= 60


def visit(text: str = "", **told: Any) -> str:
    return visit_of(document(text or "ASSESSMENT: cough"), Encounter(**told)).codes


def test_families_by_setting_service_and_place() -> None:
    assert visit() == "office_established"
    assert visit(place_of_service="21", service="initial") == "hospital_initial"
    assert visit(place_of_service="13", patient_status="new") == "home_new"
    assert visit(note_type="emergency") == "emergency"
    assert visit(setting="nursing_facility", note_type="discharge_summary") == "nursing_discharge"
    assert visit(setting="inpatient", note_type="history_and_physical") == "hospital_initial"
    assert visit(setting="inpatient", service="subsequent", note_type="history_and_physical") == "hospital_subsequent"
    assert visit(note_type="consultation", payer="Medicare Part B") == "office_established"
    assert visit(setting="other") == "office_established"


def test_status_told_beats_words_and_established_where_both_stand() -> None:
    assert visit("HPI: New patient.", patient_status="established") == "office_established"
    assert visit("HPI: New patient, returns for follow-up of gout.") == "office_established"
    assert visit_of(document("HPI: New patient."), Encounter()).inferred
    assert not visit_of(document("HPI: New patient."), Encounter(setting="inpatient")).inferred


def test_codes_rise_with_level_and_minutes() -> None:
    families = {r["family"] for r in rows("em_codes.tsv")}
    for family in families:
        own = [r for r in rows("em_codes.tsv") if r["family"] == family]
        assert [r["code"] for r in own] == sorted(r["code"] for r in own)
        minutes = [int(r["minutes"]) for r in own if r["minutes"]]
        assert minutes == sorted(set(minutes))
        assert family == "emergency" or len(minutes) == len(own)


@pytest.mark.parametrize(
    ("text", "minutes"),
    [
        ("I spent 35 minutes with the patient.", 35),
        ("I personally spent a total of 35 minutes on this encounter.", 35),
        ("Total time on the date of service: 52 min.", 52),
        ("Total time spent was 1 hour and 10 minutes.", 70),
        ("A total of 25 minutes was spent, excluding procedure time.", 25),
        ("25 minutes were spent face to face and in review of records.", 25),
        ("He spent 35 minutes walking.", None),
        ("I spent 45 of 60 minutes on counselling.", 60),
        ("More than half of the 40 minute visit was counselling.", 40),
        ("Total time 10:05 to 10:50.", 45),
        ("Time in 11:40, time out 12:25.", 45),
        ("Start time: 11:50 am, end time: 1:10 pm.", 80),
        ("I took 32 minutes in all on this date.", 32),
        ("Time: 25 min, all mine.", 25),
        ("Discharge day time: 25 minutes.", 25),
        ("More than 30 minutes were spent on the discharge.", 31),
        ("20 minutes with her and 15 minutes of charting, for a total of 35 minutes.", 35),
        ("The resident spent 30 minutes with the patient.", None),
        ("The case manager spent 40 minutes on calls.", None),
        ("The resident spent 30 minutes; I spent 20 minutes.", 20),
        ("I spent 50 minutes today. The nurse's teaching time is not included.", 50),
        ("Placed 06:30, discharged 19:10 today.", None),
        ("I spent 12 minutes on tobacco cessation.", None),
        ("The total time of critical care was 45 minutes.", None),
        ("Exercises 30 minutes a day.", None),
        ("I spent 0 minutes.", None),
    ],
)
def test_total_time(text: str, minutes: int | None) -> None:
    note = document("ASSESSMENT AND PLAN:\n1. Cough.\n" + text)
    found, where = total_minutes(note, Encounter())
    assert found == minutes
    assert where is None or where.of(note.text).strip() in text


def test_minutes_of_the_platform_win() -> None:
    assert total_minutes(document("I spent 35 minutes."), Encounter(minutes=20)) == (20, None)


def test_every_minute_more_never_lowers_the_code() -> None:
    text = A_AND_P + "1. Knee pain. Rest."
    last = ""
    for minutes in range(1, 80):
        em = decide_em(document(text), named(text, ("M25.561", "Knee pain")), (), Encounter(minutes=minutes))
        assert em is not None
        assert em.code >= last
        last = em.code
    assert last == "99215"


def test_time_is_cited_where_it_decides() -> None:
    text = A_AND_P + "1. Knee pain. Rest.\nI spent 41 minutes with the patient."
    em = decide_em(document(text), named(text, ("M25.561", "Knee pain")), (), Encounter())
    assert em is not None
    assert [s.of(text) for i in em.problems.items if i.kind == "time" for s in i.evidence] == ["I spent 41 minutes"]
    assert em.level_by_time == em.code == "99215"


def test_no_visit_in_an_operative_note() -> None:
    told = [diagnosis("M17.11")]
    assert decide_em(document("OPERATIVE REPORT\nA knee was replaced."), told, (), Encounter()) is None
    assert decide_em(document("Knee pain."), told, (), Encounter(note_type="procedure")) is None
    assert decide_em(document("Nothing."), (), (), Encounter()) is None
    assert decide_em(document("Patient no-showed today.\nKnee pain."), told, (), Encounter()) is None
    came = "He no-showed last month.\nEXAM: Knee swollen.\nASSESSMENT: Knee pain."
    assert decide_em(document(came), told, (), Encounter()) is not None


def test_preventive_needs_an_age() -> None:
    text = A_AND_P + "1. Annual physical."
    told = named(text, ("Z00.00", "Annual physical"))
    assert decide_em(document(text), told, (), Encounter(service="preventive")) is None
    codes = [
        decide_em(document(text), told, (), Encounter(service="preventive", patient_status="new", age=age))
        for age in (0, 3, 8, 15, 30, 50, 80)
    ]
    assert [em.code for em in codes if em] == ["99381", "99382", "99383", "99384", "99385", "99386", "99387"]


def test_next_level_tells_what_is_missing() -> None:
    text = A_AND_P + "1. Hypertension: stable. Continue amlodipine 5 mg daily."
    em = decide_em(document(text), named(text, ("I10", "Hypertension")), (), Encounter(patient_status="established"))
    assert em is not None
    assert em.code == "99213"
    assert em.next_level.startswith("99214 (moderate) would need 1 of problems:")
    assert "data:" in em.next_level
    assert "risk:" not in em.next_level
    assert em.next_level.endswith("or 30 minutes in total")


def test_modifier_25_only_beside_a_separate_problem() -> None:
    text = A_AND_P + "1. Knee osteoarthritis. Injected today.\n2. Hypertension: stable."
    both = named(text, ("M17.11", "Knee osteoarthritis"), ("I10", "Hypertension"))
    injection = procedure("20610", ("RT",), (1,))
    separate = decide_em(document(text), both, [injection], Encounter(patient_status="new"))
    alone = decide_em(document(text), both[:1], [injection], Encounter(patient_status="new"))
    assert separate is not None
    assert separate.modifiers == ("25",)
    assert alone is None
    emergency = decide_em(document(text), both[:1], [injection], Encounter(setting="emergency"))
    assert emergency is not None
    assert emergency.modifiers == ()


def test_aftercare_within_the_global_period_is_no_visit() -> None:
    text = "Postoperative visit, wound dry.\n" + A_AND_P + "1. Aftercare after hernia repair: healing."
    aftercare = named(text, ("Z48.815", "Aftercare"))
    assert decide_em(document(text), aftercare, (), Encounter()) is None
    beside = (*aftercare, diagnosis("I10", sequence=2))
    assert decide_em(document(text), beside, (), Encounter()) is not None


@pytest.mark.parametrize(
    ("text", "age"),
    [
        ("A 42-year-old woman", 42),
        ("She is 7 yo.", 7),
        ("18 month old boy", 1),
        ("3-week-old infant", 0),
        ("a 20 year history of smoking", None),
        ("Diagnosed 5 years ago", None),
        ("no age", None),
    ],
)
def test_the_age_that_a_note_states(text: str, age: int | None) -> None:
    assert stated_age(text) == age


def test_modifiers_of_telehealth_and_of_fracture_care() -> None:
    told = [diagnosis("S52.501A", Span(0, 5))]
    fracture = decide_em(document("Wrist fracture."), told, [procedure("25600")], Encounter())
    video = decide_em(document("Wrist fracture."), told, (), Encounter(modality="video"))
    audio = decide_em(document("Wrist fracture."), told, (), Encounter(modality="audio"))
    assert [em.modifiers for em in (fracture, video, audio) if em] == [("57",), ("95",), ("93",)]


def share_exact(vignettes: list[dict[str, Any]]) -> float:
    codes = [(coded(v), v["expect"]["code"]) for v in vignettes]
    return sum((em.code if em else None) == code for em, code in codes) / len(vignettes)


def test_vignettes_by_other_authors() -> None:
    assert share_exact(READ) >= 0.98
    assert share_exact(SET_ASIDE) >= 0.95
    assert share_exact(BLIND) >= 0.99


def test_the_third_that_was_set_aside_is_exact_on_nine_of_ten_and_never_off_by_two() -> None:
    assert share_exact(SEALED) >= 0.94
    level = {row["code"]: rank(row["level"]) for row in rows("em_codes.tsv")}
    pairs = [(em.code, v["expect"]["code"]) for v in SEALED if (em := coded(v)) is not None]
    assert all(abs(level[one] - level[other]) <= 1 for one, other in pairs if {one, other} <= level.keys())


def test_elements_of_the_second_set() -> None:
    told = [(v["expect"]["elements"], coded(v)) for v in BLIND if "elements" in v["expect"]]
    right = [
        [one == other.level for one, other in zip(wanted, (em.problems, em.data, em.risk), strict=True)]
        for wanted, em in told
        if em is not None
    ]
    assert min(sum(element) / len(right) for element in zip(*right, strict=True)) >= 0.95


# What needs the procedures of the visit, which these vignettes do not list.
WITH_PROCEDURES = {"office-htn-with-cerumen-medicare"}


@pytest.mark.parametrize("vignette", BLIND, ids=[v["id"] for v in BLIND])
def test_codes_beside_the_visit(vignette: dict[str, Any]) -> None:
    em = coded(vignette)
    if em is not None and vignette["id"] not in WITH_PROCEDURES:
        assert [one.code for one in em.also] == vignette["expect"].get("also", [])


def em_of(text: str, *pairs: tuple[str, str], procedures: tuple[Procedure, ...] = (), **told: Any) -> Em:
    em = decide_em(document(text), named(text, *pairs), procedures, Encounter(**told))
    assert em is not None
    return em


LONG = A_AND_P + "1. Hypertension: not at goal. Increase lisinopril to 40 mg daily.\n"


@pytest.mark.parametrize(
    ("base", "told", "minutes", "code", "units"),
    [
        ("99215", {"setting": "office", "patient_status": "established"}, 55, "99417", 1),
        ("99215", {"setting": "office", "patient_status": "established"}, 85, "99417", 3),
        ("99215", {"setting": "office", "patient_status": "established"}, 54, "", 0),
        ("99215", {"setting": "office", "patient_status": "established", "payer": "Medicare Part B"}, 69, "G2212", 1),
        ("99215", {"setting": "office", "patient_status": "established", "payer": "Medicare Part B"}, 68, "", 0),
        ("99205", {"setting": "office", "patient_status": "new", "payer": "medicare"}, 104, "G2212", 2),
        ("99223", {"setting": "inpatient", "service": "initial"}, 90, "99418", 1),
        ("99223", {"setting": "inpatient", "service": "initial", "payer": "medicare"}, 105, "G0316", 1),
        ("99310", {"setting": "nursing_facility", "service": "subsequent", "payer": "medicare"}, 85, "G0317", 1),
        ("99350", {"setting": "home", "patient_status": "established", "payer": "medicare"}, 110, "G0318", 1),
    ],
)
def test_prolonged_services(base: str, told: dict[str, Any], minutes: int, code: str, units: int) -> None:
    em = em_of(LONG, ("I10", "Hypertension"), minutes=minutes, **told)
    assert em.code == base
    assert [(one.code, one.units) for one in em.also] == ([(code, units)] if code else [])


def test_longitudinal_care_is_medicares_and_not_beside_25() -> None:
    text = LONG + "I follow her for many years as her primary care physician.\n"
    pair, told = ("I10", "Hypertension"), {"setting": "office", "patient_status": "established"}
    assert [one.code for one in em_of(text, pair, payer="Medicare", **told).also] == ["G2211"]
    assert em_of(text, pair, payer="Aetna", **told).also == ()
    assert em_of(LONG, pair, payer="Medicare", **told).also == ()
    knee = procedure("20610", ("RT",), pointers=(2,))
    beside = em_of(text, pair, payer="Medicare", procedures=(knee,), **told)
    assert (beside.modifiers, beside.also, beside.notices) == (("25",), (), ("em-g2211-with-25",))


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ("Welcome to Medicare visit.", "G0402"),
        ("Initial annual wellness visit.", "G0438"),
        ("Annual wellness visit, subsequent.", "G0439"),
        ("Annual physical.", "99397"),
    ],
)
def test_preventive_visits_of_medicare(said: str, code: str) -> None:
    text = f"{said}\n{A_AND_P}1. Health maintenance: mammogram due."
    told = {"payer": "Medicare", "service": "preventive", "age": 70, "patient_status": "established"}
    assert em_of(text, ("Z00.00", "Health maintenance"), **told).code == code


def test_a_problem_beside_a_preventive_visit_is_a_visit_of_its_own() -> None:
    told = {"service": "preventive", "age": 50, "patient_status": "established", "setting": "office"}
    worked = (
        A_AND_P + "1. Annual exam: vaccines given.\n2. Hypertension: not at goal. Increase lisinopril to 40 mg daily."
    )
    em = em_of(worked, ("Z00.01", "Annual exam"), ("I10", "Hypertension"), **told)
    assert em.code == "99396"
    assert [(one.code, one.modifiers) for one in em.also] == [("99214", ("25",))]
    stable = A_AND_P + "1. Annual exam: vaccines given.\n2. Hypertension: stable. Continue lisinopril 20 mg daily."
    assert em_of(stable, ("Z00.00", "Annual exam"), ("I10", "Hypertension"), **told).also == ()


@pytest.mark.parametrize(
    ("payer", "modality", "status", "code", "modifiers"),
    [
        ("Example Commercial Plan", "video", "new", "98002", ()),
        ("Example Commercial Plan", "audio", "established", "98014", ()),
        ("Medicare", "video", "established", "99214", ("95",)),
        ("Aetna", "audio", "established", "99214", ("93",)),
        ("A commercial PPO", "video", "established", "98006", ()),
        ("Kansas Medicaid", "video", "new", "99204", ("95",)),
        (None, "video", "new", "99204", ("95",)),
    ],
)
def test_telehealth_by_payer(
    payer: str | None, modality: str, status: str, code: str, modifiers: tuple[str, ...]
) -> None:
    em = em_of(LONG, ("I10", "Hypertension"), payer=payer, modality=modality, patient_status=status)
    assert (em.code, em.modifiers) == (code, modifiers)


def test_visits_to_staff_and_what_a_coder_decides() -> None:
    nurse = "Nurse visit for a blood pressure check.\n" + A_AND_P + "1. Hypertension: 128/76."
    pair = ("I10", "Hypertension")
    assert em_of(nurse, pair, setting="office", patient_status="established").code == "99211"
    assert em_of(nurse, pair, setting="emergency").code == "99281"
    critical = em_of(LONG + "Critical care time: 45 minutes.", pair, setting="emergency")
    assert critical.notices == ("em-critical-care",)
    after = em_of("Follow-up visit after hospital discharge.\n" + LONG, pair, setting="office")
    assert after.notices == ("em-transitional-care",)
    call = "Virtual check-in, 8 minutes, asked for by the patient.\n" + A_AND_P + "1. Hypertension: 128/76."
    brief = em_of(call, pair, modality="audio", patient_status="established", payer="Medicare")
    assert (brief.code, brief.modifiers) == ("98016", ())
    assert em_of(call, pair, modality="audio", patient_status="new").code == "99202"
    assert em_of(call + " Come in today.", pair, modality="audio", patient_status="established").code == "99212"
    deleted = {"99441", "99442", "99443"}
    assert not deleted & {r["code"] for r in rows("em_codes.tsv")}
