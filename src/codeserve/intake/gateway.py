"""The gateway, as the worker asks it: batch priority, an idempotency key, errors as ours."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError

from codeserve.client import Client, GatewayError
from codeserve.client.models import ExtractRequest
from codeserve.errors import CodeserveError, InvalidNote, NotReady, Overloaded

# The service is being set up (a key that is not known yet, no application yet): the note is not at fault.
LATER = frozenset({401, 403, 404, 408})


class Gateway:
    """`timeout_s`: the deadline that the gateway is given."""

    def __init__(self, url: str, key: str | None, timeout_s: float = 120.0) -> None:
        self._client = Client(url, key or "")
        self._timeout_s = timeout_s

    async def code(self, body: dict[str, Any], key: str) -> dict[str, Any]:
        """The answer of /v1/extract-codes. Raises CodeserveError; a retryable one where a later try may succeed."""
        try:
            asked = ExtractRequest.model_validate(body)
            answer = await self._client.extract_codes(
                asked, timeout_s=self._timeout_s, priority="batch", idempotency_key=key
            )
        except ValidationError as error:
            raise InvalidNote("the note's encounter is no request", field=_place(error)) from None
        except GatewayError as error:
            raise refusal(error) from None
        return answer.model_dump(mode="json", by_alias=True)

    async def close(self) -> None:
        await self._client.close()


def refusal(error: GatewayError) -> CodeserveError:
    """Of a problem document only the field is taken over, none of its text."""
    after = None if error.retry_after is None else int(error.retry_after)
    if error.status == 429:
        return Overloaded("the gateway has too much to do", retry_after=after)
    wrong = error.problem.errors if error.problem and error.problem.errors else []
    if error.retryable or error.status >= 500 or (error.status in LATER and not wrong):
        return NotReady(f"the gateway answered {error.status or 'nothing'}", retry_after=after)
    return InvalidNote(f"the gateway refused the note ({error.status})", field=wrong[0].field[:100] if wrong else "")


def _place(error: ValidationError) -> str:
    return ".".join(str(part) for part in error.errors(include_input=False)[0]["loc"])[:100]
