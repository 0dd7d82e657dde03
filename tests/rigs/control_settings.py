"""Django's settings for tests: a data directory of this process's own; PostgreSQL where the environment names one."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from pathlib import Path
from typing import Final

from control_database import DATABASE_VARIABLE
from overt.control.configuration import DATA_VARIABLE, ControlSettings

DATA: Final = Path(tempfile.mkdtemp(prefix="overt-control-"))
atexit.register(shutil.rmtree, DATA, ignore_errors=True)
os.environ[DATA_VARIABLE] = ControlSettings.read(
    {
        "data": DATA,
        "names": ["testserver"],
        "organisation": "Northshire Council",
        "database": os.environ.get(DATABASE_VARIABLE, ""),
    },
    "tests",
).to_environment()

from overt.control.project.settings import *  # noqa: E402, F403

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
"""Quick, for people that are not there."""
EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"

if "sqlite3" in DATABASES["default"]["ENGINE"]:  # noqa: F405
    # A file: in memory, connections of several threads (a server under test) lock each other's tables out.
    DATABASES["default"]["TEST"] = {"NAME": str(DATA / "test.sqlite")}  # noqa: F405
    DATABASES["default"]["OPTIONS"]["init_command"] = "PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF;"  # noqa: F405
