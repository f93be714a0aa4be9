"""The levels of medical decision making and of its elements.

Source: AMA CPT E/M guidelines, table "Levels of Medical Decision Making" (2021 office, 2023 other settings).
"""

from __future__ import annotations

from collections.abc import Iterable

LEVELS = ("none", "straightforward", "low", "moderate", "high")


def rank(level: str) -> int:
    """The place of a level, none first. Raises ValueError for what is no level."""
    return LEVELS.index(level)


def highest(levels: Iterable[str]) -> str:
    return max(levels, key=rank, default="none")


def two_of_three(problems: str, data: str, risk: str) -> str:
    """The MDM level: met or exceeded by two of the three elements."""
    return sorted((problems, data, risk), key=rank)[1]
