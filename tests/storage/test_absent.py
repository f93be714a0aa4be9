from __future__ import annotations

import subprocess
import sys

CHECK = """
import sys
import codeserve.cli, codeserve.api.app, codeserve.service
loaded = {name.split(".")[0] for name in sys.modules}
sys.exit(" ".join(loaded & {"sqlalchemy", "alembic", "psycopg"}) or 0)
"""


def test_a_service_that_stores_nothing_loads_no_database_library() -> None:
    done = subprocess.run([sys.executable, "-c", CHECK], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
