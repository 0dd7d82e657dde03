"""What the control room's process tells the program that started it: JSON on standard output, a line each."""

from __future__ import annotations

import json
import sys
from typing import Any


def tell(**told: Any) -> None:
    """Say something; without anybody who listens it is lost."""
    sys.stdout.write(json.dumps(told) + "\n")
    sys.stdout.flush()
