"""What the HTTP application needs of the coding service behind it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from codeserve.api.schemas import CodeInfo, ExtractRequest, ExtractResponse, ModelCard
from codeserve.api.schemas_checks import GapsRequest, GapsResponse, ValidateRequest, ValidateResponse


@dataclass(frozen=True, slots=True)
class Readiness:
    """`missing`: the stages that did not answer their probe, and why: a kind, never a message that may hold text."""

    missing: Mapping[str, str] = field(default_factory=dict)

    @property
    def ready(self) -> bool:
        return not self.missing


class Timings(Protocol):
    @property
    def seconds(self) -> Mapping[str, float]:
        """Seconds by stage, in the order in which the stages ran."""


class Service(Protocol):
    """`deadline` is a time of the running event loop's clock (`loop.time()`), after which the call is cancelled and no
    stage begins anything for it."""

    async def extract(
        self, request: ExtractRequest, *, request_id: str, deadline: float
    ) -> tuple[ExtractResponse, Timings]:
        """Code one note. Raises CodeserveError."""

    async def validate(self, request: ValidateRequest, deadline: float) -> tuple[ValidateResponse, Timings]:
        """Check a claim; with a note the models read it. Raises CodeserveError."""

    async def gaps(self, request: GapsRequest, deadline: float) -> tuple[GapsResponse, Timings]:
        """What a note leaves open, without the LLM. Raises CodeserveError."""

    async def ready(self) -> Readiness:
        """Probe every stage."""

    def models(self) -> Sequence[ModelCard]: ...

    def known_models(self) -> Collection[str]:
        """Names and aliases that `model_version` may take."""

    def describe(self, code: str) -> CodeInfo | None: ...
