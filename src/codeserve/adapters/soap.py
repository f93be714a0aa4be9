"""SOAP 1.1 messages, as far as one service of one platform needs them.

A library such as zeep would bring its own transport, beside `http.Wire` with its tries, table of statuses and errors
without leaks, and it wants the service's live WSDL at start.
"""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree.ElementTree import Element

from codeserve.adapters import xml
from codeserve.adapters.errors import Malformed
from codeserve.adapters.http import Answer

ENVELOPE = "http://schemas.xmlsoap.org/soap/envelope/"
# A member is a name with a text or with members; one without either is left out. Their order is the service's.
Member = tuple[str, "str | Sequence[Member] | None"]


def message(namespace: str, operation: str, members: Sequence[Member]) -> bytes:
    call = _element(namespace, operation, members)
    body = xml.element(f"{{{ENVELOPE}}}Body", inside=[call])
    return xml.written(xml.element(f"{{{ENVELOPE}}}Envelope", inside=[body]))


def _element(namespace: str, name: str, content: str | Sequence[Member]) -> Element:
    made = xml.element(f"{{{namespace}}}{name}")
    if isinstance(content, str):
        made.text = content
    else:
        made.extend(_element(namespace, n, c) for n, c in content if c)
    return made


def result_of(answer: Answer, operation: str) -> Element:
    """What the operation gave. Raises Malformed for anything else, a fault included."""
    root = xml.parse(answer.body)
    found = xml.find(root, "Body", f"{operation}Response", f"{operation}Result")
    if xml.local(root) != "Envelope" or found is None:
        raise Malformed("not a SOAP answer of this operation")
    return found
