"""An asynchronous client of the gateway's API.

    async with Client("http://127.0.0.1:8000", key="…") as client:
        answer = await client.extract_codes(ExtractRequest(document_id="d-1", text=note))

The bodies (`codeserve.client.models`) are made from docs/openapi.json by `make client`; this file is the way there
and back.
"""

from codeserve.client.http import Client, GatewayError

__all__ = ["Client", "GatewayError"]
