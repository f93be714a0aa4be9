"""CareCloud (CareCloud Inc., formerly MTBC): notes from its certified FHIR API; charges only where that API takes a
Claim.

Sources: CareCloud names a certified FHIR R4 API (Connector, developer.carecloud.com); the resources and the searches
that are used here are what certification asks of every such API (ONC, 45 CFR 170.315(g)(10); US Core). No public
document says how a charge is written: the portal stands behind a login, and the REST API v2 that old public code
calls is described nowhere. So nothing is made up: the server is asked by its CapabilityStatement whether it creates
Claims. Where it does not, a draft is refused and the suggestion stays in the worklist. (The "CareCloud API" at
carecloud.readme.io is the loyalty platform of another company.)
"""

from __future__ import annotations

from dataclasses import dataclass

from codeserve.adapters.base import Capabilities, DraftCharge, DraftRef
from codeserve.adapters.errors import Refused
from codeserve.adapters.fhir import FhirAdapter, FhirOptions
from codeserve.adapters.fhir_reading import ReadsFhir
from codeserve.adapters.oauth import OAuth, OAuthClient
from codeserve.adapters.opening import Opening


@dataclass(frozen=True, slots=True)
class CareCloudOptions:
    """`page`: documents a page of a search. `time_zone`: as of FhirOptions."""

    page: int = 50
    time_zone: str = ""


class CareCloudAdapter(ReadsFhir):
    name = "carecloud"
    capabilities = Capabilities(find_draft=True, idempotent_post=True)

    def __init__(self, fhir: FhirAdapter) -> None:
        super().__init__(fhir)
        self._takes_claims: bool | None = None

    async def authenticate(self) -> None:
        await self._fhir.authenticate()

    async def find_draft(self, draft: DraftCharge) -> DraftRef | None:
        return await self._fhir.find_draft(draft) if await self._claims() else None

    async def post_draft(self, draft: DraftCharge) -> DraftRef:
        if not await self._claims():
            raise Refused("carecloud: post draft: the practice's FHIR API takes no Claim")
        return await self._fhir.post_draft(draft)

    async def _claims(self) -> bool:
        if self._takes_claims is None:
            self._takes_claims = await self._fhir.creates("Claim")
        return self._takes_claims


def opened(opening: Opening) -> CareCloudAdapter:
    """Credentials as `oauth.OAuthClient` names them; the base address is that of the practice's FHIR API."""
    wire = opening.wire()
    auth = OAuth(wire, OAuthClient.of(opening.platform, opening.credentials), opening.store)
    chosen = opening.chosen(CareCloudOptions)
    options = FhirOptions(page=chosen.page, time_zone=chosen.time_zone, charge_items=False)
    return CareCloudAdapter(FhirAdapter(wire, auth, options=options))
