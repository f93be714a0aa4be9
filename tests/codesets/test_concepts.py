import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codeserve.codesets.concepts import Concept, Concepts, specify
from codeserve.codesets.icd10cm import Icd10cm
from codeserve.codesets.titles import read

LATERAL = re.compile(
    r"\b(affecting|right|left|bilateral|both|unilateral|unspecified|(?:non-?)?dominant|sides?|eyes?|ears?|"
    r"first trimester|second trimester|third trimester|trimester|of|the|in|on)\b"
)


def test_every_billable_code_is_in_one_concept(icd: Icd10cm, concepts: Concepts) -> None:
    codes = [code for concept in concepts.all() for code in concept.codes]
    assert sorted(codes) == sorted(icd.billable_codes())
    assert all(concepts.of(code) is concept for concept in concepts.all() for code in concept.codes)


def test_members_differ_by_nothing_but_their_details(icd: Icd10cm, concepts: Concepts) -> None:
    """Titles without the words of side and trimester say the same; only "bilateral" may drop the site's noun."""
    for concept in concepts.all():
        full = {_words(icd, m.code) for m in concept.members if m.side != "bilateral"}
        smallest = frozenset.intersection(*full) if full else frozenset()
        extra = frozenset.union(*full) - smallest if full else frozenset()
        assert len(extra) <= 2, (concept.key, extra)  # the noun that an unspecified side stands for, as in "lid"
        for member in concept.members:
            if member.side == "bilateral" and full:
                assert _words(icd, member.code) <= frozenset.union(*full), concept.key


def _words(icd: Icd10cm, code: str) -> frozenset[str]:
    stem = icd.stem(code)
    meaning = icd.seventh_characters(code).get("1", "")
    text = icd.description(code if meaning == "right eye" else stem).lower()
    singular = re.sub(r"ies\b", "y", text.replace("feet", "foot").replace("testes", "testis").replace("(s)", ""))
    words = re.findall(r"[a-z0-9]+", LATERAL.sub(" ", singular))
    return frozenset(w.rstrip("s") if w not in ("lid",) else "eyelid" for w in words)


def test_no_two_members_have_the_same_details(concepts: Concepts) -> None:
    for concept in concepts.all():
        details = {(m.side, m.trimester, m.seventh, m.dominant) for m in concept.members}
        assert len(details) == len(concept.members), concept.key


def test_the_key_is_the_member_that_says_least(concepts: Concepts) -> None:
    for concept in concepts.all():
        members = {m.code: m for m in concept.members}
        key = members[concept.key]
        assert key.side is None or all(m.side for m in concept.members)
        assert key.trimester is None or all(m.trimester for m in concept.members)
        assert key.seventh == concept.seventh or not any(
            m.seventh == concept.seventh and m.side == key.side and m.trimester == key.trimester
            for m in concept.members
        )


def test_descriptions_name_no_side_that_the_concept_leaves_open(concepts: Concepts) -> None:
    for concept in concepts.all():
        if concept.sides:
            assert read(concept.description).side is None, concept
        assert concept.description == concept.description.strip(" ,")


@pytest.mark.parametrize(
    ("stem", "key", "description", "count"),
    [
        ("S93.40-", "S93.409A", "Sprain of unspecified ligament of ankle", 9),
        ("M25.56-", "M25.569", "Pain in knee", 3),
        ("M17.11", "M17.10", "Primary osteoarthritis, knee", 4),
        ("H40.1112", "H40.1190", "Primary open-angle glaucoma", 20),
        ("E11.3211", "E11.3219", None, 4),
        ("O99.41-", "O99.419", "Diseases of the circulatory system complicating pregnancy", 4),
        ("G81.9-", "G81.90", "Hemiplegia, unspecified", 5),
        ("I10", "I10", "Essential (primary) hypertension", 1),
    ],
)
def test_a_stem_or_a_member_names_its_concept(
    concepts: Concepts, stem: str, key: str, description: str | None, count: int
) -> None:
    (concept,) = concepts.by_stem(stem)
    assert (concept.key, len(concept.members)) == (key, count)
    assert description is None or concept.description == description


def test_a_stem_above_several_concepts_names_all_of_them(concepts: Concepts) -> None:
    found = concepts.by_stem("M25.5-")
    assert len(found) > 5
    assert all(code.startswith("M25.5") for concept in found for code in concept.codes)
    assert concepts.by_stem("Q99.99-") == ()


@pytest.mark.parametrize(
    ("code", "details", "codes", "exact"),
    [
        ("S93.401A", {"side": "right"}, ("S93.401A",), True),
        ("S93.401A", {}, ("S93.409A",), False),
        ("S93.401A", {"side": "left", "episode": "D"}, ("S93.402D",), True),
        ("S93.401A", {"side": "bilateral"}, ("S93.401A", "S93.402A"), True),
        ("M17.10", {"side": "bilateral"}, ("M17.0",), True),
        ("K40.90", {"side": "right"}, ("K40.90",), True),
        ("S52.501A", {"side": "right", "episode": "B"}, ("S52.501B",), True),
        ("H40.1190", {"side": "right"}, ("H40.1110",), False),
        ("H40.1190", {"side": "right", "episode": "2"}, ("H40.1112",), True),
        ("O99.419", {"trimester": 3}, ("O99.413",), True),
        ("O99.419", {}, ("O99.419",), False),
        ("G81.90", {"side": "right"}, ("G81.91",), True),
        ("G81.90", {"side": "left"}, ("G81.94",), True),
        ("G81.90", {"side": "left", "dominant": True}, ("G81.92",), True),
        ("I10", {"side": "left", "episode": "A"}, ("I10",), True),
    ],
)
def test_details_choose_the_member(
    concepts: Concepts, code: str, details: dict[str, object], codes: tuple[str, ...], exact: bool
) -> None:
    concept = concepts.of(code)
    assert concept is not None
    chosen = specify(concept, **details)  # type: ignore[arg-type]
    assert (chosen.codes, chosen.exact) == (codes, exact)


def _any(concepts: Concepts, data: st.DataObject) -> Concept:
    """Of two, the one with more members: most concepts have one only."""
    last = len(concepts.all()) - 1
    return max((concepts.all()[data.draw(st.integers(0, last))] for _ in range(2)), key=lambda c: len(c.members))


@settings(max_examples=500, deadline=None)
@given(data=st.data())
def test_whatever_the_details_a_member_comes_out(concepts: Concepts, data: st.DataObject) -> None:
    concept = _any(concepts, data)
    side = data.draw(st.sampled_from([None, "right", "left", "bilateral"]))
    chosen = specify(
        concept,
        side=side,
        episode=data.draw(st.sampled_from([None, "A", "D", "S", "B", "G", "0", "2", "9", "?"])),
        trimester=data.draw(st.sampled_from([None, 1, 2, 3])),
        dominant=data.draw(st.sampled_from([None, True, False])),
    )
    assert set(chosen.codes) <= set(concept.codes)
    assert len(chosen.codes) == (2 if len(set(chosen.codes)) == 2 else 1)
    assert len(chosen.codes) == 1 or side == "bilateral"
    assert not (chosen.exact and chosen.missing)


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_a_members_own_details_lead_back_to_it(concepts: Concepts, data: st.DataObject) -> None:
    concept = _any(concepts, data)
    member = concept.members[data.draw(st.integers(0, len(concept.members) - 1))]
    side = None if member.side == "unilateral" else member.side
    chosen = specify(concept, side=side, episode=member.seventh, trimester=member.trimester, dominant=member.dominant)
    assert member.side == "unilateral" or chosen.codes == (member.code,)


def test_documents_hold_description_and_terms(concepts: Concepts) -> None:
    documents = {concept.key: texts for concept, texts in concepts.documents()}
    assert len(documents) == len(concepts.all())
    assert "high blood pressure" in documents["I10"]
    assert "Sprained ankle NOS" in documents["S93.409A"]
    assert all(texts[0] and len(set(texts)) == len(texts) for texts in documents.values())
