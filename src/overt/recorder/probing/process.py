"""The process of one probe: takes its order from a pipe, asks the camera, puts its answer into the pipe, and ends.

Whatever a camera sends meets this process alone, which holds no footage, no key and no other camera's password, has
little memory, and is killed when its time is over.
"""

from __future__ import annotations

import logging
import os
import resource
import signal
import sys
import time
from concurrent.futures import Future, ThreadPoolExecutor
from multiprocessing.connection import Connection
from typing import Any, Final
from urllib.parse import quote

from overt.media.rtsp.urls import redact_request_url
from overt.recorder.probing.onvif import OnvifAnswer, ask_onvif
from overt.recorder.probing.paths import ONVIF_PORTS, WELL_KNOWN
from overt.recorder.probing.request import MAX_URLS, OnvifFound, ProbeRequest, StreamFound
from overt.recorder.probing.streams import Candidate, StreamsProbe

WHOLE_S: Final = 12.0
ONVIF_S: Final = 4.5
GOODBYE_S: Final = 0.8
"""Kept for telling cameras that their sessions end."""
MEMORY: Final = 1 << 30
OPEN_FILES: Final = 256
NICENESS: Final = 5
"""Recording comes first where both want the processor."""
LEAST_SECRET: Final = 3
"""A password shorter than this stands in every other word, and hides nothing."""
HIDDEN: Final = "***"


def probe(request: ProbeRequest) -> dict[str, Any]:
    """Return the JSON of POST /probes; takes at most `WHOLE_S`."""
    began_s = time.monotonic()
    end_s = began_s + WHOLE_S - GOODBYE_S
    pool = ThreadPoolExecutor(1, thread_name_prefix="onvif")
    asked = pool.submit(_onvif, request, began_s + ONVIF_S)
    pool.shutdown(wait=False)
    errors: list[str] = []
    if request.urls:
        streams = StreamsProbe([Candidate(url) for url in request.urls], request.credentials, end_s).run()
        answer = _answer_of(asked, request)
    else:
        answer = _answer_of(asked, request)
        named = list(dict.fromkeys(each.url for each in answer.found.profiles if each.url)) if answer.found else []
        if named:
            streams = StreamsProbe([Candidate(url) for url in named[:MAX_URLS]], request.credentials, end_s).run()
        else:
            guesses = StreamsProbe(well_known(request), request.credentials, end_s)
            streams = guesses.run()
            if not streams:
                errors.append(f"none of the well-known addresses shows a picture: {guesses.first_error()}")
    return _told(request, answer, streams, errors)


def well_known(request: ProbeRequest) -> list[Candidate]:
    """Return the well-known addresses of a camera: the main stream of each family first."""
    host = f"[{request.host}]" if ":" in request.host else request.host
    base = f"rtsp://{host}:{request.rtsp_port}"
    mains = [Candidate(base + each.main, each.family) for each in WELL_KNOWN]
    return mains + [Candidate(base + each.sub, each.family) for each in WELL_KNOWN if each.sub is not None]


def _onvif(request: ProbeRequest, deadline_s: float) -> OnvifAnswer:
    ports = ONVIF_PORTS if request.onvif_port is None else (request.onvif_port,)
    return ask_onvif(request.host, ports, request.credentials, deadline_s=deadline_s, seconds=ONVIF_S)


def _answer_of(asked: Future[OnvifAnswer], request: ProbeRequest) -> OnvifAnswer:
    try:
        answer = asked.result(ONVIF_S + 1)
    except TimeoutError:
        answer = OnvifAnswer(errors=[f"{request.host} takes too long to answer ONVIF"])
    if answer.found is None and request.onvif_port is None and request.urls:
        answer.errors.clear()  # Nobody asked for it.
    return answer


def _told(request: ProbeRequest, answer: OnvifAnswer, streams: list[StreamFound], errors: list[str]) -> dict[str, Any]:
    """Return the answer as plain values, without anything of the password."""
    secrets = _forms_of(request)
    told = {
        "onvif": None if answer.found is None else _onvif_told(answer.found),
        "streams": [each.to_dict() for each in streams],
        "errors": answer.errors + errors,
    }
    cleaned: dict[str, Any] = _without(secrets, told)
    if _addresses(cleaned) != _addresses(told):
        cleaned["errors"].append("an address of this camera holds a password, and is shown without it: enter it whole")
    return cleaned


def _onvif_told(found: OnvifFound) -> dict[str, Any]:
    told = {name: getattr(found, name) for name in OnvifFound.__slots__}
    return told | {"profiles": [{name: getattr(each, name) for name in each.__slots__} for each in found.profiles]}


def _addresses(told: dict[str, Any]) -> list[str]:
    profiles = told["onvif"]["profiles"] if told["onvif"] is not None else []
    return [each["url"] for each in [*told["streams"], *profiles]]


def _forms_of(request: ProbeRequest) -> list[str]:
    """Return the ways in which the password may be written."""
    credentials = request.credentials
    secret = credentials.password if credentials is not None else ""
    forms = (
        {secret, quote(secret), quote(secret, safe=""), repr(secret)[1:-1]} if len(secret) >= LEAST_SECRET else set()
    )
    return sorted(forms, key=len, reverse=True)


def _without(secrets: list[str], value: Any) -> Any:
    """Return plain values without secrets, wherever a camera may have put them; pictures as they are."""
    if isinstance(value, str):
        for secret in secrets:
            value = value.replace(secret, HIDDEN)
        return value
    if isinstance(value, list):
        return [_without(secrets, each) for each in value]
    if isinstance(value, dict):
        cleaned = {key: each if key == "picture" else _without(secrets, each) for key, each in value.items()}
        if isinstance(cleaned.get("url"), str):
            cleaned["url"] = redact_request_url(cleaned["url"])
        return cleaned
    return value


def main() -> None:
    """Take the order from the descriptor that is named, answer it, and end at once: nothing is left to be tidied."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    os.nice(NICENESS)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_NOFILE, (OPEN_FILES, OPEN_FILES))
    pipe = Connection(int(sys.argv[1]))
    pipe.send(probe(pipe.recv()))
    pipe.close()
    os._exit(0)  # threads that still wait for a silent port do not hold the process up


if __name__ == "__main__":
    main()
