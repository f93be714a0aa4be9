import pytest

from codeserve.reasoning.questions import Question, System
from codeserve.retrieval.priors import Priors

KEYS = ("E11.9", "E10.10", "N40.0", "O21.9", "P07.30", "R11.0")
TITLES = (
    "Type 2 diabetes mellitus without complications",
    "Type 1 diabetes mellitus with ketoacidosis without coma",
    "Benign prostatic hyperplasia",
    "Vomiting of pregnancy, unspecified",
    "Preterm newborn, unspecified weeks of gestation",
    "Nausea",
)


def factor(key: str, term: str, age: int | None = None, sex: str | None = None, details: tuple[str, ...] = ()) -> float:
    question = Question(0, System.ICD10CM, term, details=details, age=age, sex=sex)
    return float(Priors(KEYS, TITLES).factors(question)[KEYS.index(key)])


def test_what_nobody_said_is_less_likely_until_it_is_said() -> None:
    assert factor("E10.10", "diabetes") < 1
    assert factor("E10.10", "diabetes with DKA") == 1
    assert factor("O21.9", "vomiting") < 1
    assert factor("O21.9", "vomiting", details=("12 weeks pregnant",)) == 1


def test_what_a_title_denies_does_not_count_as_said() -> None:
    assert factor("E11.9", "diabetes") == 1


@pytest.mark.parametrize(
    ("key", "fits", "others"),
    [
        ("N40.0", {"sex": "male"}, {"sex": "female"}),
        ("O21.9", {"sex": "female", "age": 30}, {"sex": "female", "age": 80}),
        ("P07.30", {"age": 0}, {"age": 40}),
    ],
)
def test_a_code_for_somebody_else_is_less_likely(key: str, fits: dict, others: dict) -> None:
    term = "pregnancy newborn hyperplasia"
    assert factor(key, term, **others) < factor(key, term, **fits) == factor(key, term)
