"""All code sets together, built into one folder and read from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from codeserve.codesets import concepts, icd10cm, releases
from codeserve.codesets.concepts import Concepts
from codeserve.codesets.icd10cm import Icd10cm
from codeserve.codesets.imported import extended
from codeserve.codesets.procedures import Procedures
from codeserve.codesets.reference import NAMES, Reference, TableInfo
from codeserve.codesets.releases import Release
from codeserve.reasoning.questions import System

ANSWERING = ("hcpcs", "cpt", "fee-schedule")  # imported tables that show in the answer about a note


@dataclass(frozen=True, slots=True)
class CodeInfo:
    """What a code is. `parents` from the nearest up, as (code, description); `notes` by kind, with those inherited."""

    code: str
    system: System
    description: str
    billable: bool
    parents: tuple[tuple[str, str], ...]
    notes: Mapping[str, tuple[str, ...]]
    inclusion_terms: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CodeSets:
    """`icd` is the release that notes are coded with; claims are checked with the one of their day (`icd_on`)."""

    icd: Icd10cm
    concepts: Concepts
    procedures: Procedures
    reference: Reference
    other_releases: tuple[Release, ...] = ()

    @classmethod
    def load(cls, folder: Path, home: Path | None = None) -> CodeSets:
        """Read what `build` wrote into `folder`, and what was imported under `home`; SetupError when it did not.
        Takes under a second."""
        icd, reference = Icd10cm.load(folder), Reference.load(home)
        procedures = extended(Procedures.load(), reference)
        return cls(icd, Concepts.load(icd, folder), procedures, reference, releases.imported(home))

    def icd_on(self, day: date | None) -> Icd10cm | None:
        """The release of ICD-10-CM in force on a day of service, `icd` where none is told; None where none is there."""
        if day is None or releases.period(self.icd.version).covers(day):
            return self.icd
        return next((release.icd for release in self.other_releases if release.period.covers(day)), None)

    def in_force(self, day: date | None) -> tuple[TableInfo, ...]:
        """The tables that a claim of this day is checked with."""
        icd = self.icd_on(day)
        named = (self.reference.table(name, day) for name in NAMES)
        return (*((releases.period(icd.version),) if icd else ()), *(table for table in named if table))

    @property
    def versions(self) -> dict[str, str]:
        """What the answers were made with: each table's version and the start of its hash."""
        return {
            "icd10cm": f"{self.icd.version}+{self.icd.sha256[:12]}",
            "procedures": self.procedures.sha256[:12],
            **{name: self.reference.version(name) for name in ANSWERING if self.reference.version(name)},
        }

    def describe(self, code: str) -> CodeInfo | None:
        """A procedure code, or any line of ICD-10-CM ("E11", "e119"); None when there is no such code."""
        if described := self._described(code):
            return described
        if procedure := self.procedures.get(code):
            notes = {"note": (procedure.note,)} if procedure.note else {}
            return CodeInfo(procedure.code, procedure.system, procedure.description, True, (), notes, procedure.terms)
        line = self.icd.get(code)
        if line is None:
            return None
        found = {kind: self.icd.inherited(code, kind) for kind in icd10cm.NOTES if kind != "inclusionTerm"}
        return CodeInfo(
            code=line.code,
            system=System.ICD10CM,
            description=line.description,
            billable=line.billable,
            parents=tuple((above, self.icd.description(above)) for above in self.icd.ancestors(code)),
            notes={kind: texts for kind, texts in found.items() if texts},
            inclusion_terms=line.notes.get("inclusionTerm", ()),
        )

    def _described(self, code: str) -> CodeInfo | None:
        """The words of an imported table: CMS's for HCPCS Level II, the AMA's where a licensed file is there."""
        key = code.strip().upper()
        found = self.reference.cpt(key) or self.reference.hcpcs(key)
        if found is None:
            return None
        system = System.HCPCS if key[:1].isalpha() else System.CPT
        terms = known.terms if (known := self.procedures.get(key)) else ()
        return CodeInfo(key, system, found.description, True, (), {}, terms)


def build(folder: Path, source: Path | None = None) -> None:
    """Write the tables of `CodeSets.load` into `folder`. Takes about 10 seconds; `source` as in `icd10cm.build`."""
    path = icd10cm.build(folder, source)
    concepts.build(Icd10cm.load(path), folder)
