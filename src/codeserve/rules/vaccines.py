"""Which codes are vaccines, and which are for giving them (data/rules/vaccine_codes.tsv).

Source: CPT, immunization administration and vaccines/toxoids; CMS Claims Processing Manual, chapter 18, section 10.
"""

from __future__ import annotations

from codeserve.rules.tables import within

TABLE = "vaccine_codes.tsv"
COVID = "covid"


def is_vaccine(code: str) -> bool:
    return within(TABLE, "sort", code) == "product"


def is_giving(code: str) -> bool:
    """Whether a code stands for giving a vaccine, the first or a further one."""
    return within(TABLE, "sort", code).startswith("giving")


def is_first_giving(code: str) -> bool:
    """Whether it may stand without another code for giving."""
    return within(TABLE, "sort", code) == "giving"


def is_covid(code: str) -> bool:
    """Whether it is a vaccine against COVID-19, which has a code of its own for giving it."""
    return is_vaccine(code) and within(TABLE, "group", code) == COVID
