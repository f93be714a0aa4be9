"""Where a model lies: "embedded" is what the set-up prepared; else a local folder or a hub id."""

from __future__ import annotations

from pathlib import Path

from codeserve.config import EMBEDDED
from codeserve.errors import SetupError


def model_folder(name: str, embedded: Path) -> Path:
    """The folder of a model; a hub id is fetched into the cache folder, or found there. Raises SetupError."""
    if name == EMBEDDED:
        return embedded
    folder = Path(name).expanduser()
    if folder.is_dir():
        return folder
    if name.startswith(("/", ".", "~")):
        raise SetupError(f"there is no model folder {name}", hint="correct `model` in the configuration file")
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(name))
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
        raise SetupError(
            f"the model {name} cannot be fetched ({type(error).__name__})",
            hint="give a local folder, or set CODESERVE_ALLOW_HUB=1 where the hub can be reached",
        ) from None
