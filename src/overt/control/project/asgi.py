"""The ASGI application of the control room."""

from __future__ import annotations

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "overt.control.project.settings")
application = get_asgi_application()
