"""The body of a request, from bytes to the model that checks it. Pure; also for the lines of a batch."""

from __future__ import annotations

import re
from typing import Any, TypeVar

from pydantic import ValidationError

from codeserve.api.schemas import ExtractRequest, FieldError, Request
from codeserve.errors import BadRequest, InvalidNote, TooLarge

Body = TypeVar("Body", bound=Request)
BODY = "body"
MOST_ERRORS = 50
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
_PLACE = re.compile(r"line \d+ column \d+$")


class InvalidFields(InvalidNote):
    """A body that is JSON but not acceptable; `errors` has one entry a wrong field."""

    def __init__(self, errors: tuple[FieldError, ...]) -> None:
        super().__init__("Some fields are not acceptable", field=errors[0].field if errors else "")
        self.errors = errors

    def __reduce__(self) -> tuple[object, ...]:
        return InvalidFields, (self.errors,)


def parse_request(body: bytes, max_text_chars: int) -> ExtractRequest:
    """A note to code. Raises as `parse`."""
    return parse(ExtractRequest, body, max_text_chars)


def parse(model: type[Body], body: bytes, max_text_chars: int) -> Body:
    """Raises BadRequest for what is not JSON, InvalidFields for wrong fields and TooLarge for a long `text`."""
    try:
        request = model.model_validate_json(body)
    except ValidationError as error:
        found = error.errors(include_input=False, include_url=False)
        if found[0]["type"] == "json_invalid":
            place = _PLACE.search(found[0]["msg"])
            raise BadRequest(f"The body is not JSON{f' ({place.group()})' if place else ''}") from None
        raise InvalidFields(tuple(_field_error(one) for one in found[:MOST_ERRORS])) from None
    if len(getattr(request, "text", None) or "") > max_text_chars:
        raise TooLarge(f"The note has more than {max_text_chars} characters", field="text")
    return request


def _field_error(error: Any) -> FieldError:
    below = str(error.get("ctx", {}).get("field", ""))
    path = [_part(part) for part in error["loc"]] + ([below] if below else [])
    return FieldError(field=".".join(path) or BODY, message=error["msg"])


def _part(part: int | str) -> str:
    """A caller's field name is repeated only if it looks like one: a name can hold anything, a patient's too."""
    return str(part) if isinstance(part, int) or _NAME.fullmatch(part) else "*"
