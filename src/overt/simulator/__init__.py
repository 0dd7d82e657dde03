"""Cameras that are not there: RTSP servers from persona files, with faults on demand.

They share no code with the clients, so that one misreading of a standard cannot hide in both.
"""

from overt.simulator.marks import FrameMark, frame_mark, frame_number
from overt.simulator.persona import CameraClock, CameraPersona, Persona, demo_persona, load_persona
from overt.simulator.record import SeenRequest, SentFrame, Statistics
from overt.simulator.simulator import CameraControl, Simulator

__all__ = [
    "CameraClock",
    "CameraControl",
    "CameraPersona",
    "FrameMark",
    "Persona",
    "SeenRequest",
    "SentFrame",
    "Simulator",
    "Statistics",
    "demo_persona",
    "frame_mark",
    "frame_number",
    "load_persona",
]
