"""Where tests of the control room find a PostgreSQL server, if they are to run on one."""

from __future__ import annotations

from typing import Final

DATABASE_VARIABLE: Final = "OVERT_TEST_DATABASE"
