"""The ONVIF services of the cameras of a persona: which device has which streams, and on which port."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from overt.errors import UnavailableError
from overt.simulator.onvif import PATH, OnvifDevice, OnvifServer, OnvifStream

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from overt.simulator.camera import Camera
    from overt.simulator.persona import OnvifPersona


class OnvifServices:
    """Runs in the simulator's event loop; ports and counters may be read from any thread."""

    def __init__(self, cameras: Sequence[Camera], url: Callable[[str], str]) -> None:
        """Prepare; `url` gives the address of the stream of a path, once cameras have ports."""
        self._cameras = {camera.persona.path: camera for camera in cameras}
        self._url = url
        self._servers = {
            path: (OnvifServer(self._device(camera, camera.persona.onvif)), camera.persona.onvif.port)
            for path, camera in self._cameras.items()
            if camera.persona.onvif is not None
        }

    async def start(self, listen: str) -> None:
        """Let all listen; raises `UnavailableError` if a port is taken."""
        for path, (server, port) in self._servers.items():
            try:
                await server.start(listen, port)
            except OSError as error:
                where = f"{listen} port {port}"
                msg = f"camera {path}: its ONVIF service cannot listen on {where}: {error.strerror}"
                raise UnavailableError(msg) from error

    def close(self) -> None:
        """Cut all connections and stop to listen."""
        for server, _ in self._servers.values():
            server.close()

    @property
    def idle(self) -> bool:
        """Whether no connection is open."""
        return all(server.idle for server, _ in self._servers.values())

    def port(self, path: str) -> int | None:
        """Return the port of a camera's service; None if it has none."""
        found = self._servers.get(path)
        return None if found is None else found[0].port

    def address(self, path: str, host: str) -> str | None:
        """Return the address of a camera's service on a host (an IPv6 one in brackets); None if it has none."""
        port = self.port(path)
        return None if port is None else f"http://{host}:{port}{PATH}"

    def questions(self, path: str) -> list[str]:
        """Return what a camera's service was asked lately, and `refused` for what was asked without the password."""
        found = self._servers.get(path)
        return [] if found is None else list(found[0].device.asked)

    def _device(self, camera: Camera, persona: OnvifPersona) -> OnvifDevice:
        def streams() -> list[OnvifStream]:
            return [self._stream(self._cameras[path]) for path in persona.profiles or (camera.persona.path,)]

        def now() -> datetime:
            return datetime.fromtimestamp(camera.wall_ns() / 1e9, UTC)

        login = (camera.persona.user, camera.persona.password.get_secret_value())
        return OnvifDevice(persona, login, streams, now)

    def _stream(self, camera: Camera) -> OnvifStream:
        reel, persona = camera.reels[0], camera.persona
        return OnvifStream(
            name=persona.title or persona.path,
            url=self._url(persona.path),
            codec=reel.codec,
            width=reel.width,
            height=reel.height,
            fps=round(reel.frames_per_second),
            gop=len(reel.frames) // max(1, sum(frame.keyframe for frame in reel.frames)),
        )
