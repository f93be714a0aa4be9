"""What kind of service a procedure code is, and which part of the body its section of CPT names."""

from __future__ import annotations

from functools import lru_cache

from codeserve.rules.tables import within


@lru_cache(maxsize=8192)
def kind_of(code: str) -> str:
    """ "em", "surgery", ... of code_kinds.tsv; "" for none."""
    return within("code_kinds.tsv", "kind", code)


@lru_cache(maxsize=8192)
def part_of(code: str) -> str:
    """The part of the body that a code's section names; "" where it names none."""
    return within("body_parts.tsv", "part", code)
