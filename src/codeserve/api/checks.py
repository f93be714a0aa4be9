"""Checks of single values in a request. Pure; messages are fixed words and never repeat what was sent."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from datetime import date
from functools import cache
from importlib.resources import files

from pydantic_core import PydanticCustomError

from codeserve.codesets import icd10cm
from codeserve.codesets.icd10cm import normalise_code

EARLIEST_SERVICE = date(1990, 1, 1)
OLDEST_AGE = 130
NPI_PREFIX = "80840"  # "80" health applications, "840" the United States: CMS, NPI check digit calculation

PROCEDURE = re.compile(r"\d{4}[0-9A-Z]|[A-V]\d{4}", re.ASCII)
WRITTEN = re.compile(r"[A-Za-z0-9]{5}", re.ASCII)
MODIFIER = re.compile(r"[A-Z0-9]{2}", re.ASCII)
MODIFIERS = re.compile(r"(?:-[A-Z0-9]{2})*")


def rows(name: str) -> Iterator[dict[str, str]]:
    """The rows of a table of this package's data; lines that start with # are comments."""
    text = files("codeserve").joinpath("data", "api", name).read_text(encoding="utf-8")
    return csv.DictReader((line for line in text.splitlines() if not line.startswith("#")), delimiter="\t")


def refuse(kind: str, message: str, *, field: str = "") -> PydanticCustomError:
    """An error whose message is `message`; `field` names where below the checked model, when it is not the model."""
    return PydanticCustomError(kind, message, {"field": field})


@cache
def places_of_service() -> dict[str, str]:
    """CMS place of service code -> name."""
    return {row["code"]: row["name"] for row in rows("place_of_service.tsv")}


def place_of_service(code: str) -> str:
    if code not in places_of_service():
        raise refuse("place_of_service", "Should be a two-digit place of service code of the CMS list")
    return code


@cache
def decision_reasons() -> dict[str, str]:
    """Why a coder changes a suggestion -> what it means."""
    return {row["reason"]: row["meaning"] for row in rows("decision_reasons.tsv")}


def decision_reason(name: str) -> str:
    if name not in decision_reasons():
        raise refuse("reason", f"Should be one of {', '.join(decision_reasons())}")
    return name


def luhn_valid(digits: str) -> bool:
    """Whether the last digit is the Luhn check digit of those before it (ISO/IEC 7812-1)."""
    doubled = (int(digit) * 2 if place % 2 else int(digit) for place, digit in enumerate(reversed(digits)))
    return sum(value - 9 if value > 9 else value for value in doubled) % 10 == 0


def npi(number: str) -> str:
    if not re.fullmatch(r"[12][0-9]{9}", number) or not luhn_valid(NPI_PREFIX + number):
        raise refuse("npi", "Should be a 10-digit NPI with its right check digit")
    return number


def diagnosis_code(code: str) -> str:
    """The code with its dot, in capitals. Whether it exists is not asked: history may hold retired codes."""
    if not icd10cm.FORM.fullmatch(code.strip().upper()):
        raise refuse("diagnosis_code", "Should have the form of an ICD-10-CM code, like E11.9")
    return normalise_code(code)


def written_diagnosis(code: str) -> str:
    """The code as it was written, once it has the form of one: how it was written is for the edits to say."""
    diagnosis_code(code)
    return code.strip()


def procedure_code(code: str) -> str:
    """A CPT or HCPCS code in capitals, without modifiers. Whether it exists is for the edits to say."""
    plain = code.strip().upper()
    if not PROCEDURE.fullmatch(plain):
        raise refuse("procedure_code", "Should have the form of a CPT or HCPCS code, like 99213 or J1885")
    return plain


def written_procedure(code: str) -> str:
    """The code as it was written, where it has the length and letters of one: its form is for the edits to say."""
    if not WRITTEN.fullmatch(code.strip()):
        raise refuse("procedure_code", "Should be five letters and digits, like 99213 or J1885")
    return code.strip()


def modifier(text: str) -> str:
    """Two letters or digits, in capitals. Whether it exists is for the edits to say."""
    plain = text.upper()
    if not MODIFIER.fullmatch(plain):
        raise refuse("modifier", "Should be two letters or digits, like 25 or LT")
    return plain


def billing_code(code: str) -> str:
    """An ICD-10-CM, CPT or HCPCS code in capitals; a procedure may carry modifiers, as in 99213-25."""
    plain = code.strip().upper()
    base = plain[:5]
    if PROCEDURE.fullmatch(base) and MODIFIERS.fullmatch(plain[5:]):
        return plain
    if not icd10cm.FORM.fullmatch(plain):
        raise refuse("billing_code", "Should have the form of an ICD-10-CM, CPT or HCPCS code")
    return plain


def not_blank(text: str) -> str:
    if not text or text.isspace():
        raise refuse("blank", "Should not be empty or white space only")
    return text


def service_date(day: date) -> date:
    """Between 1990 and a year ahead: clocks and time zones differ, centuries do not."""
    today = date.today()
    if day < EARLIEST_SERVICE or (day - today).days > 366:
        raise refuse("service_date", "Should be a date from 1990 to at most a year ahead")
    return day


def years_between(birth: date, day: date) -> int:
    """Completed years of age on `day`; one born on 29 February completes a year on 1 March of a common year."""
    return day.year - birth.year - ((day.month, day.day) < (birth.month, birth.day))
