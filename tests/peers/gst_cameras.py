#!/usr/bin/python3
"""An RTSP server that is not ours: GStreamer's gst-rtsp-server, serving files as cameras.

Run by Debian's Python (it needs python3-gi): `gst_cameras.py PATH=CODEC=FILE ...`, CODEC h264 or h265. Prints its port.
With USER and PASSWORD in the environment every path wants digest authentication.
"""

import os
import sys

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtsp", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtsp, GstRtspServer  # noqa: E402 - after the versions are required

Gst.init(None)
server = GstRtspServer.RTSPServer()
server.set_address("127.0.0.1")
server.set_service("0")
user = os.environ.get("GST_CAMERA_USER")
token = GstRtspServer.RTSPToken()
if user:
    auth = GstRtspServer.RTSPAuth()
    auth.set_supported_methods(GstRtsp.RTSPAuthMethod.DIGEST)
    token.set_string("media.factory.role", "viewer")
    auth.add_digest(user, os.environ["GST_CAMERA_PASSWORD"], token)
    server.set_auth(auth)
for argument in sys.argv[1:]:
    path, codec, file = argument.split("=", 2)
    number = {"h264": "264", "h265": "265"}[codec]
    factory = GstRtspServer.RTSPMediaFactory()
    factory.set_launch(f'( filesrc location="{file}" ! qtdemux ! h{number}parse ! rtph{number}pay name=pay0 pt=96 )')
    if user:
        permissions = GstRtspServer.RTSPPermissions()
        permissions.add_permission_for_role("viewer", "media.factory.access", True)
        permissions.add_permission_for_role("viewer", "media.factory.construct", True)
        factory.set_permissions(permissions)
    server.get_mount_points().add_factory("/" + path, factory)
server.attach(None)
sys.stdout.write(f"{server.get_bound_port()}\n")
sys.stdout.flush()
GLib.MainLoop().run()
