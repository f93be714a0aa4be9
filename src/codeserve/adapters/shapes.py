"""A platform may answer with JSON of any shape. What then goes wrong while it is read is Malformed, and says where."""

from __future__ import annotations

import traceback
from collections.abc import Awaitable, Callable
from functools import wraps
from pathlib import PurePath
from typing import ParamSpec, TypeVar

from codeserve.adapters.errors import Malformed

P = ParamSpec("P")
T = TypeVar("T")
SHAPE_ERRORS = (AttributeError, IndexError, KeyError, TypeError, ValueError)


def place_of(error: BaseException) -> str:
    """The kind of an error and the line that raised it; not its message, which may hold a value."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__} at {PurePath(last.filename).name}:{last.lineno}"


def any_shape(method: Callable[P, Awaitable[T]]) -> Callable[P, Awaitable[T]]:
    """For an adapter's methods that read answers."""

    @wraps(method)
    async def read(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return await method(*args, **kwargs)
        except SHAPE_ERRORS as error:
            place = place_of(error)
        raise Malformed(f"{method.__name__}: an answer of another shape ({place})")

    return read
