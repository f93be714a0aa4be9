"""Where a test may kill the worker. CODESERVE_CRASH_AT=post:sent kills this process with SIGKILL when it comes there.

With "@ID" behind it only the document of that platform's id is meant. The points are named where they are called.
"""

from __future__ import annotations

import os
import signal

VARIABLE = "CODESERVE_CRASH_AT"


def crash_point(name: str, document: str = "") -> None:
    wanted = os.environ.get(VARIABLE)
    if wanted and wanted in (name, f"{name}@{document}"):
        os.kill(os.getpid(), signal.SIGKILL)
