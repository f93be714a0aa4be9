"""From settings to loaded models: "embedded" is what the set-up prepared; else a local folder or a hub id."""

from __future__ import annotations

from pathlib import Path

from codeserve.config import EMBEDDED, ModelSet, TaggerSettings, home
from codeserve.errors import SetupError
from codeserve.reasoning.calibration import Calibrator
from codeserve.reasoning.engine import Engine
from codeserve.reasoning.prompts import Prompter
from codeserve.reasoning.reasoner import Reasoner
from codeserve.setup import artifacts, ready
from codeserve.tagging.core import TaggerModel


def model_folder(name: str, embedded: Path) -> Path:
    """The folder of a model; a hub id is fetched into the cache folder, or found there. Raises SetupError."""
    if name == EMBEDDED:
        return embedded
    folder = Path(name).expanduser()
    if folder.is_dir():
        return folder
    if name.startswith(("/", ".", "~")):
        raise SetupError(f"there is no model folder {name}", hint="correct `model` in the configuration file")
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(name))
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
        raise SetupError(
            f"the model {name} cannot be fetched ({type(error).__name__})",
            hint="give a local folder, or set CODESERVE_ALLOW_HUB=1 where the hub can be reached",
        ) from None


def load_tagger(settings: TaggerSettings) -> TaggerModel:
    import torch

    torch.set_num_threads(settings.threads)
    folder = model_folder(settings.model, artifacts(home()).tagger)
    return TaggerModel(folder, settings.dtype, settings.device, settings.label_map)


def load_reasoner(model_set: ModelSet) -> Reasoner:
    """Retriever and engine, the engine not started yet."""
    from codeserve.deployments.retrieval import load_retriever

    settings = model_set.reasoner
    folder = model_folder(settings.model, artifacts(home()).reasoner)
    prompter = Prompter.load(folder, settings.block_size)
    return Reasoner(
        load_retriever(ready(home()), model_set.retriever),
        prompter,
        Engine(folder, settings, probe=(prompter.yes, prompter.no)),
        Calibrator.load(),
        limit=model_set.retriever.limit,
        max_candidates=settings.max_candidates,
        gate=settings.gate,
    )
