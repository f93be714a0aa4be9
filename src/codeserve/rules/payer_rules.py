"""Rules of payers, as data: YAML files after data/payer_rules/schema.json, by payer, place, age, sex, frequency,
diagnosis and modifier. The examples that ship show the format; their payers' names are made up.

A file that breaks the schema is refused with its name, line and key.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import cache, lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import orjson
import yaml

from codeserve.errors import SetupError
from codeserve.rules.edits_case import Case
from codeserve.rules.edits_words import say
from codeserve.rules.results import Finding, Procedure

EXAMPLES = files("codeserve").joinpath("data", "payer_rules")
EVERY = "*"
KEPT = 8192
BIGGEST = 1_000_000  # bytes of one file


@dataclass(frozen=True, slots=True)
class Conditions:
    """What a rule looks at; empty or None where it does not. `age` from and to, both within."""

    places: tuple[str, ...] = ()
    sex: str | None = None
    age: tuple[int, int] | None = None
    diagnoses: tuple[str, ...] = ()
    modifiers: frozenset[str] = frozenset()
    services: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PayerRule:
    """One rule. `frequency`: (most units, days). `covered` False: never paid where `when` holds."""

    id: str
    payers: frozenset[str]
    procedures: tuple[str, ...]
    message: str
    source: str
    severity: str = "warning"
    suggestion: str = ""
    when: Conditions = Conditions()
    require: Conditions = Conditions()
    forbid: Conditions = Conditions()
    frequency: tuple[int, int] | None = None
    covered: bool = True
    effective: date | None = None
    until: date | None = None


@dataclass(frozen=True)
class PayerRules:
    """All rules that are installed; none unless files are loaded."""

    rules: tuple[PayerRule, ...] = ()
    _found: dict[tuple[str, str], tuple[PayerRule, ...]] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def load(cls, *paths: Path) -> PayerRules:
        """The rules of files, or of all *.yaml of folders. Raises SetupError, naming file, line and key."""
        found = [file for path in paths for file in (sorted(path.glob("*.yaml")) if path.is_dir() else [path])]
        return cls(tuple(rule for file in found for rule in read(file)))

    def of(self, payer: str, code: str) -> tuple[PayerRule, ...]:
        """The rules of a payer, and of every payer, about a service."""
        key = (payer.strip().lower(), code)
        if key not in self._found:
            if len(self._found) >= KEPT:
                self._found.clear()
            names = {EVERY, key[0]}
            self._found[key] = tuple(r for r in self.rules if names & r.payers and within(r.procedures, code))
        return self._found[key]


def examples() -> PayerRules:
    """The three worked examples that ship."""
    return PayerRules.load(Path(str(EXAMPLES)))


def payer_edits(case: Case, rules: PayerRules) -> Iterator[Finding]:
    if not rules.rules:
        return
    counted: set[tuple[str, str]] = set()
    for line in case.lines:
        for rule in rules.of(case.encounter.payer or "", line.code):
            if not _in_force(rule, case.day) or not _applies(rule.when, line, case):
                continue
            often = rule.frequency and (rule.source, rule.id) not in counted and _too_often(rule, case)
            if often:
                counted.add((rule.source, rule.id))
            if often or not rule.covered or _breaks(rule, line, case):
                yield say(
                    f"payer-rule-{rule.severity}",
                    (line.code,),
                    payer=case.encounter.payer or "every payer",
                    rule=rule.id,
                    message=rule.message,
                    suggestion=rule.suggestion,
                    source=rule.source,
                )


def _in_force(rule: PayerRule, day: date | None) -> bool:
    if day is None:
        return True
    return (rule.effective or day) <= day <= (rule.until or day)


def _applies(when: Conditions, line: Procedure, case: Case) -> bool:
    """All that is asked for is known and holds."""
    age, modifiers = case.encounter.age, when.modifiers
    return (
        (not when.places or case.encounter.place_of_service in when.places)
        and (when.sex is None or case.encounter.sex == when.sex)
        and (when.age is None or (age is not None and when.age[0] <= age <= when.age[1]))
        and (not when.diagnoses or _points_to(when.diagnoses, line, case))
        and (not modifiers or bool(modifiers & set(line.modifiers)))
    )


def _breaks(rule: PayerRule, line: Procedure, case: Case) -> bool:
    wanted, barred, seen = rule.require, rule.forbid, case.encounter
    missing = (
        (wanted.places and seen.place_of_service is not None and seen.place_of_service not in wanted.places)
        or (wanted.sex and seen.sex is not None and seen.sex != wanted.sex)
        or (wanted.age and seen.age is not None and not wanted.age[0] <= seen.age <= wanted.age[1])
        or (wanted.diagnoses and not _points_to(wanted.diagnoses, line, case))
        or (wanted.modifiers and not wanted.modifiers & set(line.modifiers))
        or (wanted.services and not _beside(wanted.services, line, case))
    )
    return bool(
        missing
        or (barred.diagnoses and _points_to(barred.diagnoses, line, case))
        or barred.modifiers & set(line.modifiers)
        or (barred.services and _beside(barred.services, line, case))
    )


def _points_to(stems: tuple[str, ...], line: Procedure, case: Case) -> bool:
    return any(d.code.startswith(stems) for d in case.pointed(line))


def _beside(services: tuple[str, ...], line: Procedure, case: Case) -> bool:
    return any(within(services, other.code) for other in case.lines if other is not line)


def _too_often(rule: PayerRule, case: Case) -> bool:
    """Units on the claim and services of the last days, this one included, against the most that is paid."""
    most, days = rule.frequency or (0, 0)
    units = sum(line.units for line in case.lines if within(rule.procedures, line.code))
    if case.day is not None:
        since = case.day - timedelta(days=days - 1)
        earlier = (r for r in case.encounter.recent_procedures if since <= r.date <= case.day)
        units += sum(within(rule.procedures, r.code) for r in earlier)
    return units > most


@lru_cache(maxsize=KEPT)
def within(services: tuple[str, ...], code: str) -> bool:
    """Whether a code is one of some codes, or lies in one of some ranges ("97110-97140")."""
    ends = (one.partition("-") for one in services)
    return any(first <= code <= (last or first) and len(code) == len(first) for first, _, last in ends)


# Reading ---------------------------------------------------------------------------------------------------------


def read(file: Path) -> tuple[PayerRule, ...]:
    """The rules of one file. Raises SetupError, naming file, line and key, for one that breaks the schema."""
    try:
        raw = file.read_bytes()
        if len(raw) > BIGGEST:
            raise SetupError(f"{file.name}: {len(raw)} bytes, more than {BIGGEST}")
        node = yaml.compose(raw, Loader=yaml.SafeLoader)
    except OSError as error:
        raise SetupError(f"{file.name}: cannot be read ({error.strerror})") from error
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        raise SetupError(f"{file.name}, line {mark.line + 1 if mark else 1}: this is no YAML") from error
    if node is None:
        raise SetupError(f"{file.name}, line 1: the file is empty")
    return tuple(_rules(_Reader(file.name).value(node, _schema(), ""), file.name))


@cache
def _schema() -> dict[str, Any]:
    schema: dict[str, Any] = orjson.loads(EXAMPLES.joinpath("schema.json").read_bytes())
    return schema


class _Reader:
    """Reads nodes after the schema: the part of JSON Schema that schema.json uses."""

    def __init__(self, name: str) -> None:
        self._name = name

    def value(self, node: yaml.Node, schema: Mapping[str, Any], key: str) -> Any:
        schema = _schema()["$defs"][schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema
        if schema["type"] == "object":
            return self._object(node, schema, key)
        if schema["type"] == "array":
            return self._array(node, schema, key)
        return self._scalar(node, schema, key)

    def _object(self, node: yaml.Node, schema: Mapping[str, Any], key: str) -> dict[str, Any]:
        if not isinstance(node, yaml.MappingNode):
            raise self._refused(node, key, "should be keys with values")
        found: dict[str, Any] = {}
        for name_node, value_node in node.value:
            name = str(name_node.value) if isinstance(name_node, yaml.ScalarNode) else "?"
            path = f"{key}.{name}" if key else name
            if name not in schema["properties"]:
                known = ", ".join(schema["properties"])
                raise self._refused(name_node, path, f"there is no such key; known are {known}")
            if name in found:
                raise self._refused(name_node, path, "stands there twice")
            found[name] = self.value(value_node, schema["properties"][name], path)
        for name in schema.get("required", ()):
            if name not in found:
                raise self._refused(node, f"{key}.{name}" if key else name, "is missing")
        return found

    def _array(self, node: yaml.Node, schema: Mapping[str, Any], key: str) -> list[Any]:
        if not isinstance(node, yaml.SequenceNode):
            raise self._refused(node, key, "should be a list")
        if len(node.value) < schema.get("minItems", 0):
            raise self._refused(node, key, "should not be empty")
        return [self.value(item, schema["items"], f"{key}[{n}]") for n, item in enumerate(node.value)]

    def _scalar(self, node: yaml.Node, schema: Mapping[str, Any], key: str) -> Any:
        """Texts as they are written: 00100 is a code, 02 a place, and NO is no boolean."""
        if not isinstance(node, yaml.ScalarNode) or node.tag.endswith(":null"):
            raise self._refused(node, key, "should be one value")
        text = node.value
        if schema["type"] == "boolean":
            if text not in ("true", "false"):
                raise self._refused(node, key, "should be true or false")
            return text == "true"
        if schema["type"] == "integer":
            if not re.fullmatch(r"\d{1,9}", text) or not schema["minimum"] <= int(text) <= schema["maximum"]:
                raise self._refused(node, key, f"should be a number from {schema['minimum']} to {schema['maximum']}")
            return int(text)
        if "enum" in schema and text not in schema["enum"]:
            raise self._refused(node, key, f"should be one of {', '.join(schema['enum'])}")
        if "pattern" in schema and not re.search(schema["pattern"], text):
            raise self._refused(node, key, "does not have the form that is asked for")
        return self._date(node, key) if schema.get("format") == "date" else text

    def _date(self, node: yaml.ScalarNode, key: str) -> date:
        try:
            return date.fromisoformat(node.value)
        except ValueError:
            raise self._refused(node, key, "there is no such day") from None

    def _refused(self, node: yaml.Node, key: str, why: str) -> SetupError:
        return SetupError(
            f"{self._name}, line {node.start_mark.line + 1}, {key or 'the file'}: {why}",
            hint="see data/payer_rules/schema.json",
        )


def _rules(told: dict[str, Any], name: str) -> Iterator[PayerRule]:
    seen: set[str] = set()
    for number, rule in enumerate(told["rules"]):
        if rule["id"] in seen:
            raise SetupError(f"{name}, rules[{number}].id: {rule['id']} stands there twice")
        seen.add(rule["id"])
        if not {"require", "forbid", "frequency"} & set(rule) and rule.get("covered", True):
            raise SetupError(f"{name}, rules[{number}]: {rule['id']} asks for nothing")
        often = rule.get("frequency")
        yield PayerRule(
            id=rule["id"],
            payers=frozenset(payer.strip().lower() for payer in told["payers"]),
            procedures=tuple(rule["procedures"]),
            message=rule["message"],
            source=f"{rule.get('source', told['source'])} ({name}, version {told['version']})",
            severity=rule.get("severity", "warning"),
            suggestion=rule.get("suggestion", ""),
            when=_conditions(rule.get("when", {})),
            require=_conditions(rule.get("require", {})),
            forbid=_conditions(rule.get("forbid", {})),
            frequency=(often["most"], often["days"]) if often else None,
            covered=rule.get("covered", True),
            effective=told.get("effective"),
            until=told.get("until"),
        )


def _conditions(told: Mapping[str, Any]) -> Conditions:
    age = told.get("age")
    return Conditions(
        places=tuple(told.get("places", ())),
        sex=told.get("sex"),
        age=(age.get("from", 0), age.get("to", 200)) if age is not None else None,
        diagnoses=tuple(told.get("diagnoses", ())),
        modifiers=frozenset(_texts(told.get("modifiers", ()))),
        services=tuple(told.get("with", ())),
    )


def _texts(values: Iterable[Any]) -> Iterator[str]:
    return (str(value) for value in values)
