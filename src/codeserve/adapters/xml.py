"""XML from and for platforms: read without entities of its own, found by local names, written with everything
escaped."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from codeserve.adapters.errors import Malformed


def parse(body: bytes) -> Element:
    """Raises Malformed. A document that declares a type could name entities and files, so it is refused."""
    root: Element | None = None
    if b"<!DOCTYPE" not in body.upper():
        try:
            root = ElementTree.fromstring(body)
        except ElementTree.ParseError:
            root = None
    if root is None:
        raise Malformed("not XML")
    return root


def local(element: Element) -> str:
    """A name without its namespace."""
    return element.tag.rpartition("}")[2]


def children(element: Element | None, name: str) -> Iterator[Element]:
    if element is not None:
        yield from (child for child in element if local(child) == name)


def find(element: Element | None, *path: str) -> Element | None:
    """The first element down a path of local names."""
    for name in path:
        element = next(children(element, name), None)
    return element


def text(element: Element | None, *path: str) -> str:
    found = find(element, *path)
    return (found.text or "").strip() if found is not None else ""


def element(name: str, attributes: Mapping[str, str] | None = None, inside: Iterable[Element] = ()) -> Element:
    made = Element(name, dict(attributes or {}))
    made.extend(inside)
    return made


def written(root: Element) -> bytes:
    return ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
