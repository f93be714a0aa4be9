import pytest

from codeserve.codesets import CodeSets
from codeserve.retrieval.entries import diagnosis_entries, plain, procedure_entries


@pytest.mark.parametrize(
    ("title", "said"),
    [
        ("Essential (primary) hypertension", "Essential hypertension"),
        ("Type 2 diabetes mellitus without complications", "Type 2 diabetes mellitus"),
        ("Migraine, unspecified, not intractable, without status migrainosus", "Migraine"),
        ("Unspecified atrial fibrillation", "Atrial fibrillation"),
        ("Abscess, unspecified site", "Abscess, unspecified site"),
    ],
)
def test_what_a_title_leaves_open_or_denies_is_not_said(title: str, said: str) -> None:
    assert plain(title) == said


def test_every_code_is_indexed_once_with_at_least_one_text(codesets: CodeSets) -> None:
    for entries, count in (
        (diagnosis_entries(codesets.concepts), len(codesets.concepts.all())),
        (procedure_entries(codesets.procedures), len(codesets.procedures)),
    ):
        assert len({entry.key for entry in entries}) == len(entries) == count
        assert all(entry.texts and len(set(entry.texts)) == len(entry.texts) for entry in entries)
