"""What is wrong with a trail that does not hold, and where: changed, rewritten, removed, inserted, moved. Pure."""

from __future__ import annotations

from bisect import bisect
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Literal

from codeserve.audit.chain import FIRST, Head, Link, digest

Kind = Literal["changed", "rewritten", "removed", "inserted", "moved", "head"]
NEAR = 100  # places on each side that are tried for a record that does not fit its own, and open ones beyond


@dataclass(frozen=True, slots=True)
class Fault:
    """`first` to `last`: numbers of the records, as they were written; those of an inserted one as it stands now."""

    kind: Kind
    first: int
    last: int
    told: str


def diagnose(links: Sequence[Link], head: Head | None) -> list[Fault]:
    """`links` by their numbers, which differ; `head`: None where there is none that is signed."""
    count = head.count if head is not None else max((entry.seq for entry, _ in links), default=0)
    places = _places(links, count)
    own = _owners(links, places, count, head)
    faults = list(_intruders(links, own, places))
    for seq, index in own.items():
        now = links[index][0].seq
        if places[index] is None:
            faults.append(Fault("changed", seq, seq, f"record {seq} was changed"))
        elif now != seq:
            faults.append(Fault("moved", seq, seq, f"record {seq} stands at {now}"))
    faults += _missing(own, count)
    faults += _breaks(links, own, places, count, head)
    return sorted(faults, key=lambda fault: (fault.first, fault.kind))


def _places(links: Sequence[Link], count: int) -> list[int | None]:
    """For which number each record was written, by its hash; None where it fits none that could be."""
    fits = [digest(entry) == stored for entry, stored in links]
    present = {entry.seq for entry, _ in links}
    strays = {entry.seq for (entry, _), fit in zip(links, fits, strict=True) if not fit}
    open_places = sorted({*strays, *(seq for seq in range(1, count + 1) if seq not in present)})

    def found(link: Link) -> int | None:
        entry, stored = link
        at = bisect(open_places, entry.seq)
        near = {*open_places[max(at - NEAR, 0) : at + NEAR], *range(max(entry.seq - NEAR, 1), entry.seq + NEAR)}
        tried = sorted(near, key=lambda seq: abs(seq - entry.seq))
        return next((seq for seq in tried if digest(replace(entry, seq=seq)) == stored), None)

    return [link[0].seq if fit else found(link) for link, fit in zip(links, fits, strict=True)]


def _owners(links: Sequence[Link], places: Sequence[int | None], count: int, head: Head | None) -> dict[int, int]:
    """Number → index of the record that was written for it. Of several the one that the next record continues, or the
    head names."""
    claims: dict[int, list[int]] = {}
    for index, place in enumerate(places):
        if place is not None and 1 <= place <= count:
            claims.setdefault(place, []).append(index)
    continued = {entry.previous for entry, _ in links} | ({head.hash} if head is not None else set())
    own = {
        place: max(indices, key=lambda index: (links[index][1] in continued, links[index][0].seq == place))
        for place, indices in claims.items()
    }
    for index, place in enumerate(places):  # a changed record stands where it stood, unless that one was found
        seq = links[index][0].seq
        if place is None and seq not in own and seq <= count:
            own[seq] = index
    return dict(sorted(own.items()))


def _intruders(links: Sequence[Link], own: Mapping[int, int], places: Sequence[int | None]) -> Iterator[Fault]:
    for index in sorted(set(range(len(links))) - set(own.values())):
        seq = links[index][0].seq
        yield Fault("inserted", seq, seq, f"the record that stands at {seq} was inserted")


def _missing(own: Iterable[int], count: int) -> Iterator[Fault]:
    for before, after in pairwise([0, *sorted(own), count + 1]):
        if after - before > 1:
            first, last = before + 1, after - 1
            told = f"record {first} was removed" if first == last else f"records {first} to {last} were removed"
            yield Fault("removed", first, last, told + (", the end of the trail" if last == count else ""))


def _breaks(
    links: Sequence[Link], own: Mapping[int, int], places: Sequence[int | None], count: int, head: Head | None
) -> Iterator[Fault]:
    """Records whose own hash is right, but another one than the next was chained to."""
    if 1 in own and places[own[1]] is not None and links[own[1]][0].previous != FIRST:
        yield Fault("rewritten", 1, 1, "record 1 was rewritten: it continues something")
    for seq, after in pairwise(own):
        if after != seq + 1 or places[own[seq]] is None or places[own[after]] is None:
            continue
        if links[own[after]][0].previous != links[own[seq]][1]:
            yield Fault("rewritten", seq, seq, f"record {seq} was rewritten: record {after} continues another one")
    if head is not None and count in own and places[own[count]] is not None and links[own[count]][1] != head.hash:
        told = f"record {count} is not the one that was signed: it, or with it some before, was rewritten"
        yield Fault("rewritten", count, count, told)
