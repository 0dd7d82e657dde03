"""What a camera says of itself by ONVIF, as far as it goes: what fails is said, and the rest is asked all the same."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import Final

from overt.devices.onvif import OnvifDevice, Place
from overt.errors import ForbiddenError, OvertError
from overt.media.rtsp.auth import Credentials
from overt.recorder.probing.paths import ONVIF_TLS_PORTS
from overt.recorder.probing.request import OnvifFound, ProfileFound

SPARE_S: Final = 0.5


@dataclass(slots=True)
class OnvifAnswer:
    """What was found, and sentences about what was not."""

    found: OnvifFound | None = None
    errors: list[str] = field(default_factory=list)


def ask_onvif(
    host: str, ports: Sequence[int], credentials: Credentials | None, *, deadline_s: float, seconds: float
) -> OnvifAnswer:
    """Ask at all ports for the time, which every device tells anybody, and the first that tells it for the rest.

    Takes at most `seconds`, which end at `deadline_s` of the monotonic clock. Threads of ports that are silent longer
    are left behind: they end with the process.
    """
    pool = ThreadPoolExecutor(len(ports), thread_name_prefix="onvif")
    asked = {pool.submit(_ask, host, port, credentials, deadline_s) for port in ports}
    refusals: list[str] = []
    try:
        left = set(asked)
        while left:
            done, left = wait(left, seconds, return_when=FIRST_COMPLETED)
            if not done:
                refusals.append(f"{host} takes too long to answer ONVIF")
                break
            for each in done:
                answer = each.result()
                if answer.found is not None:
                    return answer
                refusals += answer.errors
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
    if len(ports) > 1:
        where = ", ".join(map(str, ports))
        return OnvifAnswer(errors=[f"ONVIF does not answer at {host}, ports {where}: if it has another, give that"])
    return OnvifAnswer(errors=refusals[:1])


def _ask(host: str, port: int, credentials: Credentials | None, deadline_s: float) -> OnvifAnswer:
    place = Place(host, port, port in ONVIF_TLS_PORTS)
    answer = OnvifAnswer()
    with OnvifDevice(place, credentials, deadline_s=deadline_s - SPARE_S) as device:
        try:
            offset = device.clock_offset_s()
        except ForbiddenError:
            offset = None  # It should tell anybody, and wants a password even for this.
        except OvertError as error:
            answer.errors.append(f"ONVIF: {error}")
            return answer
        found = answer.found = OnvifFound(clock_offset_s=offset)
        try:
            told = device.information()
            found.maker, found.model = told.maker, told.model
            found.firmware, found.serial_number = told.firmware, told.serial_number
        except OvertError as error:
            answer.errors.append(f"ONVIF: {error}")
            if isinstance(error, ForbiddenError):
                # Asked no more: cameras lock accounts after a few refusals.
                return answer
        _ask_for_streams(device, answer, found)
    return answer


def _ask_for_streams(device: OnvifDevice, answer: OnvifAnswer, found: OnvifFound) -> None:
    try:
        paths = device.media_paths()
        namespace, profiles = device.profiles(paths)
    except OvertError as error:
        answer.errors.append(f"ONVIF: {error}")
        return
    for each in profiles:
        url = ""
        try:
            url = device.stream_url(namespace, paths[namespace], each)
        except OvertError as error:
            answer.errors.append(f"ONVIF, profile {each.name or each.token}: {error}")
        found.profiles.append(
            ProfileFound(each.name or each.token, url, each.width, each.height, each.codec, each.fps, each.gop)
        )
