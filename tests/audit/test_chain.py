from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import fields, replace
from datetime import timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codeserve.audit.chain import FIRST, Entry, Head, Link, canonical, digest, holds
from codeserve.audit.faults import diagnose
from tests.audit.links import at, chained, entry, hashed, trail

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
LENGTHS = st.integers(1, 12)


@given(JSON)
def test_canonical_json_is_the_same_for_the_same_whatever_the_order(value: Any) -> None:
    def turned(one: Any) -> Any:
        if isinstance(one, dict):
            return {name: turned(one[name]) for name in reversed(one)}
        return [turned(part) for part in one] if isinstance(one, list) else one

    assert canonical(turned(value)) == canonical(value)
    assert canonical(value).isascii()


@pytest.mark.parametrize("value", [math.nan, math.inf, {"a": -math.inf}])
def test_what_is_no_json_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match="JSON"):
        canonical(value)


def test_every_part_of_a_record_is_hashed() -> None:
    one = entry(3, FIRST)
    others = {
        "seq": 4,
        "at": one.at + timedelta(microseconds=1),
        "versions": '{"a":"1"}',
        "details": "{}",
        "previous": "1" * 64,
    }
    for part in fields(Entry):
        changed = replace(one, **{part.name: others.get(part.name, "other")})
        assert digest(changed) != digest(one), part.name
    assert digest(replace(one, at=one.at.astimezone(timezone(timedelta(hours=5))))) == digest(one)


@given(st.integers(0, 12))
def test_a_whole_trail_holds(length: int) -> None:
    links, head = trail(length)
    assert holds(links, head) == (True, length)
    assert diagnose(links, head) == []


def told(links: list[Link], head: Head | None) -> list[tuple[str, int, int]]:
    assert not holds(links, head)[0]
    return [(fault.kind, fault.first, fault.last) for fault in diagnose(links, head)]


@given(st.data(), LENGTHS)
def test_a_changed_record_is_named(data: st.DataObject, length: int) -> None:
    links, head = trail(length)
    index = data.draw(st.integers(0, length - 1))
    name = data.draw(st.sampled_from(["actor", "action", "details", "encounter_id", "note_sha256"]))
    links[index] = (replace(links[index][0], **{name: "other"}), links[index][1])
    assert told(links, head) == [("changed", index + 1, index + 1)]


@given(st.data(), LENGTHS)
def test_a_record_that_was_changed_and_hashed_anew_is_named(data: st.DataObject, length: int) -> None:
    links, head = trail(length)
    index = data.draw(st.integers(0, length - 1))
    links[index] = hashed(replace(links[index][0], actor="other"))
    assert told(links, head) == [("rewritten", index + 1, index + 1)]


@given(st.data(), LENGTHS)
def test_removed_records_are_named_at_any_place(data: st.DataObject, length: int) -> None:
    links, head = trail(length)
    first = data.draw(st.integers(1, length))
    last = data.draw(st.integers(first, length))
    rest = links[: first - 1] + links[last:]
    assert told(rest, head) == [("removed", first, last)]


@given(st.data(), LENGTHS)
def test_a_gap_that_was_closed_by_new_numbers_is_found(data: st.DataObject, length: int) -> None:
    links, head = trail(length)
    gone = data.draw(st.integers(1, length))
    rest = [at(link, seq) for seq, link in enumerate(links[: gone - 1] + links[gone:], 1)]
    moved = [("moved", seq, seq) for seq in range(gone + 1, length + 1)]
    assert told(rest, head) == [("removed", gone, gone), *moved]


@given(st.data(), LENGTHS)
def test_an_inserted_record_is_named(data: st.DataObject, length: int) -> None:
    links, head = trail(length)
    place = data.draw(st.integers(1, length + 1))
    forged = hashed(entry(place, links[place - 2][1] if place > 1 else FIRST, actor="mallory"))
    rest = links[: place - 1] + [forged] + [at(link, link[0].seq + 1) for link in links[place - 1 :]]
    moved = [("moved", seq, seq) for seq in range(place, length + 1)]
    assert sorted(told(rest, head)) == sorted([("inserted", place, place), *moved])


@given(st.data(), st.integers(2, 12))
def test_exchanged_records_are_named(data: st.DataObject, length: int) -> None:
    links, head = trail(length)
    one, other = sorted(data.draw(st.lists(st.integers(1, length), min_size=2, max_size=2, unique=True)))
    swapped = [*links]
    swapped[one - 1], swapped[other - 1] = at(links[other - 1], one), at(links[one - 1], other)
    assert told(swapped, head) == [("moved", one, one), ("moved", other, other)]


@given(st.data(), LENGTHS)
def test_a_trail_that_was_written_anew_from_some_record_on_does_not_fit_what_was_signed(
    data: st.DataObject, length: int
) -> None:
    links, head = trail(length)
    index = data.draw(st.integers(0, length - 1))
    links[index] = (replace(links[index][0], actor="other"), "")
    assert told(chained(links), head) == [("rewritten", length, length)]


@given(LENGTHS)
def test_a_trail_without_its_head_does_not_hold(length: int) -> None:
    links, _ = trail(length)
    assert holds(links, None) == (False, length)
    assert diagnose(links, None) == []


TAMPERING: dict[str, Callable[[list[Link], int], list[Link]]] = {
    "drop": lambda links, n: links[:n] + links[n + 1 :],
    "cut": lambda links, n: links[:n],
    "change": lambda links, n: [
        *links[:n],
        (replace(links[n][0], details='{"what":"x"}'), links[n][1]),
        *links[n + 1 :],
    ],
    "rehash": lambda links, n: [*links[:n], hashed(replace(links[n][0], actor="x")), *links[n + 1 :]],
    "append": lambda links, n: [*links, hashed(entry(links[-1][0].seq + 1 + n, links[n][1]))],
}


@given(LENGTHS, st.lists(st.tuples(st.sampled_from(sorted(TAMPERING)), st.integers(0, 11)), min_size=1, max_size=4))
def test_whatever_is_done_is_found_and_explained(length: int, steps: list[tuple[str, int]]) -> None:
    links, head = trail(length)
    done = links
    for name, place in steps:
        if done:
            done = TAMPERING[name](done, place % len(done))
    changed = done != links
    assert holds(done, head)[0] is not changed
    assert bool(diagnose(done, head)) is changed


def test_a_long_trail_whose_gap_was_closed_is_explained_without_trying_everything() -> None:
    links, head = trail(5000)
    rest = [at(link, seq) for seq, link in enumerate(links[:99] + links[100:], 1)]
    faults = diagnose(rest, head)
    assert (faults[0].kind, faults[0].first, len(faults)) == ("removed", 100, 4901)
