"""What a raw share is worth: a smooth map to the share of right answers, by who decided (Platt 1999)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from importlib.resources import files

import orjson

from codeserve.errors import SetupError

EDGE = 1e-4


@dataclass(frozen=True, slots=True)
class Blend:
    """How margin, retrieval score and the lexicon's word add up; `none` is the logit of none of the candidates."""

    margin: float
    score: float
    lexicon: float
    none: float


@dataclass(frozen=True, slots=True)
class Curve:
    """p = sigmoid(slope * logit(share) + offset), at most `most`."""

    slope: float
    offset: float
    most: float = 0.99

    def __call__(self, share: float) -> float:
        bounded = min(max(share, EDGE), 1 - EDGE)
        z = self.slope * math.log(bounded / (1 - bounded)) + self.offset
        return min(self.most, 1 / (1 + math.exp(-z)))


@dataclass(frozen=True, slots=True)
class Calibrator:
    """`curves` by who decided: "llm", "lexicon"."""

    version: str
    blend: Blend
    curves: dict[str, Curve]

    def probability(self, decided_by: str, share: float) -> float:
        return round(self.curves[decided_by](share), 6)

    @classmethod
    def load(cls) -> Calibrator:
        """From data/models/calibration.json. Raises SetupError when that is not whole."""
        try:
            held = orjson.loads(files("codeserve").joinpath("data", "models", "calibration.json").read_bytes())
            curves = {name: Curve(**curve) for name, curve in held["curves"].items()}
            return cls(held["version"], Blend(**held["blend"]), curves)
        except (OSError, KeyError, TypeError, orjson.JSONDecodeError) as error:
            raise SetupError(f"the calibration table cannot be read ({type(error).__name__})") from None
