from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codeserve.api.limits import Admission, body_limit, require_json, timeout_s
from codeserve.api.metrics import OTHER, Bounded
from codeserve.errors import Overloaded, UnsupportedMediaType


def test_places_are_given_back_even_after_a_failure() -> None:
    admission = Admission(1)
    for _ in range(3):
        with pytest.raises(ZeroDivisionError), admission.enter():
            raise ZeroDivisionError
    with admission.enter(), pytest.raises(Overloaded), admission.enter():
        pass


@given(st.integers(1, 600_000))
def test_a_wish_is_in_milliseconds(wish: int) -> None:
    assert timeout_s({"X-Request-Timeout-Ms": str(wish)}, 120, 600) == wish / 1000


def test_no_wish_takes_the_default() -> None:
    assert timeout_s({}, 120, 600) == 120


def test_any_note_that_may_be_long_enough_fits_the_body() -> None:
    assert body_limit(200_000) > 200_000 * len("\\ud83e\\ude7a")


@pytest.mark.parametrize("content_type", ["", "text/plain", "application/jsonp", "multipart/form-data; boundary=x"])
def test_other_content_is_refused(content_type: str) -> None:
    with pytest.raises(UnsupportedMediaType):
        require_json({"content-type": content_type})


@given(st.lists(st.text(), max_size=30))
def test_labels_stay_few(values: list[str]) -> None:
    bounded = Bounded(5)
    assert len({bounded(value) for value in values} - {OTHER}) <= 5
