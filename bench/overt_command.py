"""Running the `overt` command as it runs where it is installed: its modules compiled once, not at every start."""

from __future__ import annotations

import os
import subprocess
import sys
import time

from overt.cli.bench.recorder_process import ENTRY


def overt_command(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end, its output kept."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    command = [sys.executable, "-c", ENTRY, *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def start_s() -> float:
    """Return how long the command takes to do nothing, once its modules are compiled."""
    overt_command("--version")
    began = time.perf_counter()
    overt_command("--version")
    return time.perf_counter() - began
