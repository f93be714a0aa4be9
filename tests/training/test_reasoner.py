"""The packed pass of the training gives what the engine gets: one prompt at a time."""

from __future__ import annotations

from pathlib import Path

import pytest

from codeserve.reasoning.prompts import Prompter
from codeserve.reasoning.questions import Candidate, Question, System
from tests.tiny_llm import make_tiny_llm

TITLES = ("Gout, unspecified", "Idiopathic gout, right ankle and foot", "Crystal arthropathy, unspecified")


def test_packed_margins_equal_those_of_whole_prompts(tmp_path: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    from training.reasoner import batch_margins

    folder = make_tiny_llm(tmp_path / "llm")
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="sdpa")
    prompter = Prompter.load(folder)
    candidates = [Candidate(t, System.ICD10CM, t, 0.5, ("bm25",)) for t in TITLES]
    asked = [
        Question(0, System.ICD10CM, "gout", "Swollen red toe since Monday; gout. " * 3),
        Question(1, System.ICD10CM, "gout flare"),
    ]
    batch = [prompter.build(question, candidates) for question in asked]
    with torch.no_grad():
        packed = batch_margins(model, batch, prompter.yes, prompter.no)
        for prompts, margins in zip(batch, packed, strict=True):
            for whole, margin in zip(prompts.whole(), margins.tolist(), strict=True):
                logits = model(torch.tensor([whole])).logits[0, -1]
                assert margin == pytest.approx(float(logits[prompter.yes] - logits[prompter.no]), abs=1e-3)
    assert len({round(m, 3) for m in packed[0].tolist()}) == len(TITLES)
