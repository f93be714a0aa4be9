from __future__ import annotations

import random
import re
from importlib.resources import files
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codeserve.notes.document import Document, Section, SectionKind
from codeserve.notes.spans import Span
from codeserve.tagging.assertion import assert_entities, load_rules
from codeserve.tagging.entities import Assertion, Entity, EntityKind

CASES = Path(__file__).parent / "data" / "assertion_cases.tsv"
TEMPLATES = ("assertion_templates.tsv", "assertion_templates_second.tsv")
MARK = re.compile(r"\[([^|\]]+)\|(?:(\w+):)?(\w+)\]")
FLOOR = {"tune": 0.95, "held": 0.9}


def document(text: str, kind: SectionKind) -> Document:
    whole = Span(0, len(text))
    return Document(text, text, range(len(text)), range(1, len(text) + 1), (Section(kind, whole, whole),))


def sentences(text: str) -> list[Span]:
    """Split behind a full stop that a capital follows."""
    ends = [match.end() for match in re.finditer(r"\.(?= [A-Z]|$)", text)] or [len(text)]
    return [Span(start, end) for start, end in zip([0, *ends[:-1]], ends, strict=True)]


def parse(marked: str) -> tuple[str, list[tuple[Entity, Assertion]]]:
    text, entities, position = "", [], 0
    for match in MARK.finditer(marked):
        text += marked[position : match.start()]
        span = Span(len(text), len(text) + len(match[1]))
        kind = EntityKind(match[2] or "problem")
        entities.append((Entity(kind, span, match[1], 0.9), Assertion(match[3])))
        text, position = text + match[1], match.end()
    return text + marked[position:], entities


def judged(section: str, marked: str) -> list[tuple[str, Assertion, Assertion]]:
    """(entity, wanted, given) of a marked text."""
    text, entities = parse(marked)
    note = document(text, SectionKind(section))
    given_ = assert_entities(note, [entity for entity, _ in entities], sentences(text))
    return [(one.text, wanted, one.assertion) for (_, wanted), one in zip(entities, given_, strict=True)]


def cases(half: str) -> list[tuple[str, str]]:
    lines = [line.split("\t") for line in CASES.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    return [(section, marked) for which, section, marked in lines if which == half]


@pytest.mark.parametrize("half", ["tune", "held"])
def test_accuracy_on_hand_written_cases(half: str) -> None:
    results = [(marked, *result) for section, marked in cases(half) for result in judged(section, marked)]
    wrong = [(marked, text, wanted.value, got.value) for marked, text, wanted, got in results if wanted is not got]
    assert len(results) > 100
    assert 1 - len(wrong) / len(results) >= FLOOR[half], wrong


CONDITIONS = (
    *("chest pain", "palpitations", "fever", "chills", "nausea", "vomiting", "diarrhea", "constipation", "headache"),
    *("dizziness", "wheezing", "edema", "gout", "hypertension", "asthma", "pneumonia", "migraine", "anemia"),
    *("hypothyroidism", "cellulitis", "kidney stones", "sinusitis", "depression", "rheumatoid arthritis"),
    *("heart failure", "osteoporosis", "psoriasis", "glaucoma", "melanoma", "appendicitis"),
)


def generated(count: int, name: str) -> list[tuple[str, str]]:
    """Marked sentences, seeded: each template in turn with conditions drawn for its places."""
    lines = (CASES.parent / name).read_text(encoding="utf-8").splitlines()
    rows = [line.split("\t") for line in lines if not line.startswith("#")]
    rng = random.Random(11)
    made = []
    for number in range(count):
        section, template, said = rows[number % len(rows)]
        names = rng.sample(CONDITIONS, len(said.split()))
        marks = {place: f"[{name}|{one}]" for place, name, one in zip("abc", names, said.split(), strict=False)}
        made.append((section, template.format(**marks)))
    return made


@pytest.mark.parametrize("name", TEMPLATES)
def test_accuracy_on_generated_cases(name: str) -> None:
    results = [(marked, *result) for section, marked in generated(300, name) for result in judged(section, marked)]
    wrong = {(marked, wanted.value, got.value) for marked, _, wanted, got in results if wanted is not got}
    right = sum(wanted is got for _, _, wanted, got in results)
    assert right / len(results) >= 0.95, sorted(wrong)


def test_the_section_is_set() -> None:
    text = "Cough."
    [entity] = assert_entities(
        document(text, SectionKind.ROS), [Entity(EntityKind.PROBLEM, Span(0, 5), "Cough", 1)], [Span(0, 6)]
    )
    assert entity.section is SectionKind.ROS


def test_entities_come_back_in_order_with_nothing_else_changed() -> None:
    text, marked = parse("No [fever|absent], [cough|absent]. On [aspirin|medication:present].")
    entities = [entity for entity, _ in marked]
    given_ = assert_entities(document(text, SectionKind.HPI), entities[::-1], sentences(text))
    assert [(one.kind, one.span, one.text, one.score) for one in given_] == [
        (one.kind, one.span, one.text, one.score) for one in entities
    ]


def test_scope_ends_with_the_sentence() -> None:
    assert [got.value for _, _, got in judged("hpi", "No [fever|absent]. Has [cough|present].")] == [
        "absent",
        "present",
    ]


def test_an_entity_outside_every_sentence_is_judged_by_its_section() -> None:
    text = "Denies cough"
    entity = Entity(EntityKind.PROBLEM, Span(7, 12), "cough", 1)
    assert assert_entities(document(text, SectionKind.HPI), [entity], [])[0].assertion is Assertion.PRESENT
    assert assert_entities(document(text, SectionKind.FAMILY_HISTORY), [entity], [])[0].assertion is Assertion.FAMILY


TERMS = ("fever", "chills", "chest pain", "cough", "shortness of breath", "nausea", "rash", "low back pain", "vomiting")
LISTS = st.lists(st.sampled_from(TERMS), min_size=1, max_size=7, unique=True)
ENDINGS = st.sampled_from((", ", " and ", " or ", ", and ", ", or "))
NEGATIONS = st.sampled_from(
    (
        "Denies ",
        "The patient denies any ",
        "No ",
        "Negative for ",
        "She has had no ",
        "There is no evidence of ",
        "Without ",
    )
)
TURNS = st.sampled_from(
    (", but has ", "; reports ", ", however she has ", " but does have ", ", endorses ", " except ")
)


def listed(terms: list[str], ending: str, assertion: str) -> str:
    marked = [f"[{term}|{assertion}]" for term in terms]
    return ", ".join(marked[:-1]) + ending + marked[-1] if len(marked) > 1 else marked[0]


@given(NEGATIONS, LISTS, ENDINGS)
def test_a_negation_reaches_through_the_whole_list(negation: str, terms: list[str], ending: str) -> None:
    results = judged("hpi", negation + listed(terms, ending, "absent") + ".")
    assert {got for _, _, got in results} == {Assertion.ABSENT}


@given(NEGATIONS, LISTS, ENDINGS, TURNS, st.sampled_from(("fatigue", "wheezing", "knee pain")))
def test_a_turn_ends_the_negation(negation: str, terms: list[str], ending: str, turn: str, other: str) -> None:
    results = judged("hpi", negation + listed(terms, ending, "absent") + turn + f"[{other}|present].")
    assert [got for _, _, got in results] == [wanted for _, wanted, _ in results]


@given(LISTS, ENDINGS)
def test_what_is_denied_afterwards_is_the_whole_list(terms: list[str], ending: str) -> None:
    results = judged("ros", listed(terms, ending, "absent") + " denied.")
    assert {got for _, _, got in results} == {Assertion.ABSENT}


@given(LISTS, ENDINGS)
def test_a_list_that_nothing_is_said_of_is_present(terms: list[str], ending: str) -> None:
    results = judged("hpi", "Presents with " + listed(terms, ending, "present") + ".")
    assert {got for _, _, got in results} == {Assertion.PRESENT}


@given(st.text(max_size=200), st.data())
def test_any_text_is_judged(text: str, data: st.DataObject) -> None:
    bounds = sorted(data.draw(st.sets(st.integers(0, len(text)), max_size=8)))
    spans = [Span(a, b) for a, b in zip(bounds[::2], bounds[1::2], strict=False)]
    entities = [Entity(EntityKind.PROBLEM, span, span.of(text), 0.5) for span in spans]
    assert len(assert_entities(document(text, SectionKind.OTHER), entities, [Span(0, len(text))])) == len(entities)


def test_every_rule_names_known_categories_and_kinds() -> None:
    rules = load_rules()
    assertions, kinds = {one.value for one in Assertion}, {one.value for one in EntityKind}
    for _, trigger in rules.triggers._rules:
        assert trigger.category in assertions | {"pseudo"}
        assert trigger.kinds <= kinds | {"event"}
        assert trigger.scope in {"sentence", "list", "next"}
    for _, terminator in rules.terminators._rules:
        assert terminator.categories <= assertions | {"*"}


def test_phrases_are_in_lower_case_as_they_are_searched() -> None:
    folder = files("codeserve") / "data" / "assertion"
    for name in ("triggers", "terminators", "events"):
        lines = (folder / f"{name}.tsv").read_text(encoding="utf-8").splitlines()
        phrases = [line.split("\t")[-1] for line in lines if line and not line.startswith("#")]
        plain = [re.sub(r"\\[A-Z]", "", phrase) for phrase in phrases]
        assert plain == [phrase.lower() for phrase in plain]


@pytest.mark.parametrize("words", ["DENIES FEVER", "İ denies fever"])
def test_case_does_not_matter_nor_letters_that_grow_in_lower_case(words: str) -> None:
    (span, trigger), *_ = load_rules().triggers.find(words)
    assert (span.of(words).lower(), trigger.category) == ("denies", "absent")
