from __future__ import annotations

import pytest

from codeserve.config import ModelSet
from codeserve.deployments.versions import require, version_of
from codeserve.errors import StageFailed


def test_a_note_of_another_version_is_refused_to_be_tried_again() -> None:
    one, other = version_of(ModelSet()), version_of(ModelSet(name="next"))
    require(one, version_of(ModelSet()))
    with pytest.raises(StageFailed) as raised:
        require(one, other)
    assert raised.value.retryable
    assert raised.value.retry_after


def test_a_changed_setting_is_another_version() -> None:
    assert version_of(ModelSet()) != version_of(ModelSet.model_validate({"reasoner": {"gate": False}}))
