"""How a service went: 22 much more work, 52 reduced, 53 broken off; and the assistant's own note: 80, 82, AS.

Source: CPT appendix A; CMS Claims Processing Manual, chapter 12, sections 20.4.3, 20.4.6, 30.1, 40.2, 100.1.7, 110.2.
"""

from __future__ import annotations

from collections.abc import Iterator

from codeserve.notes.spans import Span
from codeserve.rules.kinds import kind_of
from codeserve.rules.modifier_cues import cued, sentence_at
from codeserve.rules.modifier_words import because
from codeserve.rules.modifiers_case import Marked, Services

BREAKABLE = ("surgery", "medicine")
# A diagnostic colonoscopy that did not reach the cecum takes 53; one with a treatment 52 (CPT, endoscopy guidelines).
COLONOSCOPY_LOOKS = frozenset({"45378", "44388", "G0105", "G0121"})
COLONOSCOPIES = ("4437", "4438", "4439", "4440", "4537", "4538", "4539", "G0105", "G0121")


def course(services: Services) -> Iterator[Marked]:
    yield from _more_work(services)
    yield from _cut_short(services)
    yield from _assisted(services)


def _more_work(services: Services) -> Iterator[Marked]:
    """On the operation with the highest value, where the note also says why; CMS pays it only on services with a
    global period."""
    operations = [n for n, p in enumerate(services.lines) if services.schedule.global_days(p.code) is not None]
    told = [span for span in cued("more_work", services.document) if _with_reason(span, services)]
    if operations and told:
        first = max(operations, key=lambda n: (services.value(services.lines[n]) or 0.0, -n))
        yield first, because("more-work", "22", told)


def _with_reason(span: Span, services: Services) -> bool:
    """Whether the sentence, or the one behind it, says why."""
    text = services.document.text
    behind = sentence_at(text, min(span.end + 1, len(text)))
    return any(span.overlaps(why) or behind.overlaps(why) for why in cued("why", services.document))


def _cut_short(services: Services) -> Iterator[Marked]:
    among = [n for n, p in enumerate(services.lines) if kind_of(p.code) in BREAKABLE]
    colon = [n for n, p in enumerate(services.lines) if p.code.startswith(COLONOSCOPIES)]
    document = services.document
    partial = cued("incomplete_colonoscopy", document)
    if colon and partial and not cued("complete_colonoscopy", document):
        for n in colon:
            looks = services.lines[n].code in COLONOSCOPY_LOOKS
            yield n, because("incomplete-colonoscopy", "53", partial) if looks else because("reduced", "52", partial)
    elif among and (stopped := cued("stopped", document)):
        if not cued("before_start", document):
            why = [span for span in cued("for_safety", document) if _near(span, stopped)]
            reason = because("stopped", "53", (*stopped, *why)) if why else because("reduced", "52", stopped)
            yield services.nearest(stopped, among), reason
    elif among and (reduced := cued("reduced", document)):
        yield services.nearest(reduced, among), because("reduced", "52", reduced)


def _near(span: Span, others: tuple[Span, ...], reach: int = 250) -> bool:
    return any(span.start - reach <= other.end and other.start <= span.end + reach for other in others)


def _assisted(services: Services) -> Iterator[Marked]:
    """The note of the surgeon names an assistant without a modifier on the surgeon's own lines."""
    document = services.document
    own = cued("assistant_own", document)
    if not own:
        return
    if cued("no_physician", document):
        reason = because("assistant-no-physician", "AS", own)
    elif free := cued("no_resident", document):
        reason = because("assistant-no-resident", "82", (*own, *free))
    else:
        reason = because("assistant", "80", own)
    yield from ((n, reason) for n, p in enumerate(services.lines) if kind_of(p.code) == "surgery")
