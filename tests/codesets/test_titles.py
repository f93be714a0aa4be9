import pytest

from codeserve.codesets.titles import read, without


@pytest.mark.parametrize(
    ("text", "side", "core"),
    [
        ("Pain in right knee", "right", "pain knee"),
        ("Nuclear cataract, bilateral", "bilateral", "nuclear cataract"),
        ("Nuclear cataract, left eye", "left", "nuclear cataract"),
        ("Bilateral primary osteoarthritis of knee", "bilateral", "primary osteoarthritis knee"),
        ("Unqualified visual loss, both eyes", "bilateral", "unqualified visual loss"),
        ("Hemiplegia, unspecified affecting right dominant side", "right", "hemiplegia unspecified"),
        ("Right upper quadrant pain", None, "right upper quadrant pain"),
        ("Left ventricular failure", None, "left ventricular failure"),
        ("Blindness right eye, low vision left eye", None, "blindness right low vision left"),
        ("Foreign body accidentally left in body", None, "foreign body accidentally left body"),
        ("Perforation with both hemorrhage and ulcer", None, "perforation with both hemorrhage and ulcer"),
    ],
)
def test_side_and_what_is_left(text: str, side: str | None, core: str) -> None:
    title = read(text)
    assert (title.side, title.core) == (side, core)


@pytest.mark.parametrize(("word", "dominant"), [("dominant", True), ("non-dominant", False), ("nondominant", False)])
def test_dominance(word: str, dominant: bool) -> None:
    assert read(f"Monoplegia of upper limb affecting left {word} side").dominant is dominant


def test_one_trimester_is_a_detail_and_two_are_not() -> None:
    assert read("Anemia complicating pregnancy, second trimester").trimester == 2
    both = read("Preterm labor second trimester with preterm delivery third trimester")
    assert both.trimester is None
    assert "trimester" in both.core


def test_cutting_out_leaves_a_tidy_title() -> None:
    title = read("Otitis media, unspecified, right ear")
    assert without(title.text, title.sides) == "Otitis media, unspecified"
