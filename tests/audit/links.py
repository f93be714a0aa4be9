"""Trails without a database, for the pure part."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from codeserve.audit.chain import FIRST, Entry, Head, Link, canonical, digest

AT = datetime(2026, 3, 1, 9, 0, tzinfo=UTC)


def entry(seq: int, previous: str, actor: str = "ann") -> Entry:
    details = canonical({"what": "item", "count": seq})
    at = AT + timedelta(minutes=seq)
    return Entry("north", seq, at, actor, "VIEWED", f"e{seq}", None, None, None, None, "{}", details, previous)


def trail(length: int) -> tuple[list[Link], Head]:
    links: list[Link] = []
    last = FIRST
    for seq in range(1, length + 1):
        made = entry(seq, last)
        last = digest(made)
        links.append((made, last))
    return links, Head("north", length, last)


def at(link: Link, seq: int) -> Link:
    """The same record, with the same hash, under another number."""
    return replace(link[0], seq=seq), link[1]


def hashed(made: Entry) -> Link:
    return made, digest(made)


def chained(links: list[Link]) -> list[Link]:
    """All numbered and hashed anew, as somebody would who knows how, but lacks the key."""
    last, found = FIRST, []
    for seq, (made, _) in enumerate(links, 1):
        found.append(hashed(replace(made, seq=seq, previous=last)))
        last = found[-1][1]
    return found
