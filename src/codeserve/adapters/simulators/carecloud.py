"""CareCloud: a certified FHIR server. Whether it takes Claims is for the test to say; it pushes nothing."""

from __future__ import annotations

from codeserve.adapters.simulators.base import Delivery
from codeserve.adapters.simulators.fhir import FhirSimulator


class CareCloudSimulator(FhirSimulator):
    name = "carecloud"

    def delivery(self, document_id: str) -> Delivery:
        raise NotImplementedError("CareCloud sends no webhooks")
