"""From candidates and margins to an answer: who is asked, and what the numbers mean together."""

from __future__ import annotations

import math
from collections.abc import Sequence

from codeserve.reasoning.calibration import Calibrator
from codeserve.reasoning.questions import Answer, Candidate, Judged, Question

LLM, LEXICON = "llm", "lexicon"
UNSURE = 0.8  # a term that could also name another code


def certain(candidates: Sequence[Candidate]) -> bool:
    """Whether the lexicon answers alone: it states one code for this very term."""
    return bool(candidates) and candidates[0].certain


def blend(candidates: Sequence[Candidate], margins: Sequence[float], calibrator: Calibrator) -> list[float]:
    """Shares in [0, 1] of the candidates, and last of none of them, adding up to 1.

    The margin says what the LLM makes of the words, the retrieval score what it does not see: who offered the code.
    """
    weights = calibrator.blend
    logits = [
        weights.margin * margin + weights.score * candidate.score + weights.lexicon * ("lexicon" in candidate.sources)
        for candidate, margin in zip(candidates, margins, strict=True)
    ]
    logits.append(weights.none)
    top = max(logits)
    shares = [math.exp(logit - top) for logit in logits]
    return [share / sum(shares) for share in shares]


def read(
    question: Question, candidates: Sequence[Candidate], margins: Sequence[float], calibrator: Calibrator
) -> Answer:
    """The LLM's answer: candidates by their share, each with its calibrated probability."""
    *shares, none = blend(candidates, margins, calibrator)
    ranked = sorted(range(len(candidates)), key=lambda i: (-shares[i], candidates[i].code))
    judged = tuple(Judged(candidates[i], calibrator.probability(LLM, shares[i])) for i in ranked)
    return Answer(question.id, judged, round(none, 6), LLM)


def from_lexicon(question: Question, candidates: Sequence[Candidate], calibrator: Calibrator) -> Answer:
    """The lexicon's answer: its code first; what retrieval offers beside it shares the rest."""
    first, *others = candidates
    sure = calibrator.probability(LEXICON, 1.0) * (1.0 if first.certain else UNSURE * first.score)
    total = sum(candidate.score for candidate in others) or 1.0
    rest = [Judged(c, round((1 - sure) * 0.5 * c.score / total, 6)) for c in others]
    return Answer(question.id, (Judged(first, round(sure, 6)), *rest), round((1 - sure) * 0.5, 6), LEXICON)
