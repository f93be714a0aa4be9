"""From settings to loaded models."""

from __future__ import annotations

from codeserve.config import ModelSet, TaggerSettings, home
from codeserve.deployments.folders import model_folder
from codeserve.reasoning.calibration import Calibrator
from codeserve.reasoning.engine import Engine
from codeserve.reasoning.prompts import Prompter
from codeserve.reasoning.reasoner import Reasoner
from codeserve.setup import ready
from codeserve.tagging.core import TaggerModel
from codeserve.weights import verify


def load_tagger(settings: TaggerSettings) -> TaggerModel:
    import torch

    torch.set_num_threads(settings.threads)
    folder = model_folder(settings.model, ready(home()).tagger)
    verify(folder)
    return TaggerModel(folder, settings.dtype, settings.device, settings.label_map)


def load_reasoner(model_set: ModelSet) -> Reasoner:
    """Retriever and engine, the engine not started yet."""
    from codeserve.deployments.retrieval import load_retriever

    settings, at = model_set.reasoner, ready(home())
    folder = model_folder(settings.model, at.reasoner)
    verify(folder)
    prompter = Prompter.load(folder, settings.block_size, settings.answer_form)
    return Reasoner(
        load_retriever(at, model_set.retriever),
        prompter,
        Engine(folder, settings, probe=(prompter.yes, prompter.no)),
        Calibrator.load(),
        limit=model_set.retriever.limit,
        max_candidates=settings.max_candidates,
        gate=settings.gate,
    )
