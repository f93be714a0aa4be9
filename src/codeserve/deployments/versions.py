"""Which version a replica is of, so that no note is answered by two.

An update through `Cluster.update` gives each version an application of its own (docs/decisions/022). Serve's own
rolling update mixes replicas: there a stage refuses the note of another version.
"""

from __future__ import annotations

import hashlib

from codeserve import __version__
from codeserve.config import ModelSet
from codeserve.errors import StageFailed

RETRY_AFTER_S = 5


def version_of(model_set: ModelSet) -> str:
    """The same for the same code and settings, in whichever process."""
    return hashlib.sha256(f"{__version__}\n{model_set.model_dump_json()}".encode()).hexdigest()[:12]


def require(own: str, asked: str) -> None:
    """Raises StageFailed, to be tried again, where the note was read by another version."""
    if own != asked:
        raise StageFailed("Another model version is being put in place", retry_after=RETRY_AFTER_S)
