"""The simulator: cameras of a persona on real sockets, all in one background thread."""

from __future__ import annotations

import asyncio
import concurrent.futures
import socket
import ssl
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar

from pydantic import ValidationError

from overt.errors import ConflictError, InvalidError, MissingError, UnavailableError
from overt.simulator.camera import Camera
from overt.simulator.dialects import DIALECTS
from overt.simulator.faults import FAULT, Parameters
from overt.simulator.onvif_services import OnvifServices
from overt.simulator.persona import load_persona
from overt.simulator.reel import Reel, VideoPacking, aac_reel, tone_reel, video_reel
from overt.simulator.source import Source, read_source

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator
    from types import TracebackType

    from overt.simulator.persona import CameraPersona, Persona
    from overt.simulator.record import SeenRequest, SentFrame, Statistics

START_TIMEOUT_S: Final = 10.0
CLOSE_TIMEOUT_S: Final = 5.0
_Result = TypeVar("_Result")


class CameraControl:
    """A running camera, to be used from any other thread than the simulator's."""

    def __init__(self, simulator: Simulator, camera: Camera, slot: _Slot) -> None:
        """Control `camera`, which listens through `slot`."""
        self._simulator = simulator
        self._camera = camera
        self._slot = slot

    @property
    def path(self) -> str:
        """Path of the camera's URL."""
        return self._camera.persona.path

    @property
    def title(self) -> str:
        """What people call it."""
        return self._camera.persona.title or self.path

    @property
    def codec(self) -> str:
        """Of the video track."""
        return self._camera.reels[0].codec

    @property
    def maker(self) -> str:
        """Whose dialect it speaks."""
        return self._camera.persona.maker

    @property
    def port(self) -> int:
        """Where it listens."""
        return self._slot.port

    @property
    def onvif_port(self) -> int | None:
        """Where its ONVIF service listens; None if it has none."""
        return self._simulator.onvif.port(self.path)

    def onvif_questions(self) -> list[str]:
        """Return what was asked by ONVIF lately, and `refused` for what was asked without the password."""
        return self._simulator.call(self._simulator.onvif.questions, self.path)

    def fault(self, kind: str, **fields: Any) -> None:  # any: checked by the model of that fault
        """Let a fault strike or put it in force now, with the fields that personas know (`faults`).

        Raises:
            InvalidError: if there is no such fault or it has no such field.
        """
        try:
            fault = FAULT.validate_python({"kind": kind, **fields})
        except ValidationError as error:
            problem = error.errors(include_url=False)[0]
            msg = f"fault {kind}: {'.'.join(map(str, problem['loc'][1:]))}: {problem['msg']}"
            raise InvalidError(msg) from error
        if isinstance(fault, Parameters):
            reel = self._simulator.other_reel(self._camera.persona, fault.source)
            self._simulator.call(self._camera.add_reel, fault.source, reel)

        async def beginning() -> None:
            self._camera.begin(fault)
            await self._slot.follow()

        self._simulator.run(beginning())

    def clear(self, kind: str | None = None) -> None:
        """End the faults of one kind, or all of them and those that were still to come."""

        async def ending() -> None:
            if kind is None:
                self._camera.clear()
            else:
                self._camera.end(kind)
            await self._slot.follow()

        self._simulator.run(ending())

    def kill_sessions(self, *, reset: bool = False) -> int:
        """Close all connections (with `reset` at once, unsent data lost); return how many there were."""
        return self._simulator.call(lambda: self._camera.kill_sessions(reset=reset))

    def stop_listening(self) -> None:
        """Refuse new connections; on return they are refused."""
        self.fault("refuse_connection")

    def listen_again(self) -> None:
        """Accept connections again, on the same port."""
        self.clear("refuse_connection")

    def statistics(self) -> Statistics:
        """Return the counters of this moment."""
        return self._simulator.call(self._camera.statistics)

    def requests(self) -> list[SeenRequest]:
        """Return the latest requests, oldest first."""
        return self._simulator.call(lambda: list(self._camera.seen))

    def frames(self) -> list[SentFrame]:
        """Return the latest sent video frames, oldest first (as many as `log_frames` allowed)."""
        return self._simulator.call(lambda: list(self._camera.sent))

    def wait_until(self, predicate: Callable[[Statistics], bool], timeout_s: float = 10.0) -> Statistics:
        """Wait until the counters satisfy `predicate`, which is called in the simulator's thread; return them.

        Raises:
            UnavailableError: if they do not within `timeout_s`.
        """

        async def waiting() -> Statistics:
            await asyncio.wait_for(self._camera.until(predicate), timeout_s)
            return self._camera.statistics()

        try:
            return self._simulator.run(waiting(), timeout_s + CLOSE_TIMEOUT_S)
        except TimeoutError as error:
            msg = f"camera {self.path}: not within {timeout_s} s; its counters are {self.statistics()}"
            raise UnavailableError(msg) from error


class _Slot:
    """The port of a camera: kept bound even while nobody may connect, so that no other program takes it."""

    def __init__(self, camera: Camera, listen: str, port: int, tls: ssl.SSLContext | None) -> None:
        self._camera = camera
        self._listen_on = listen
        self._tls = tls
        self._server: asyncio.Server | None = None
        self._reserved = self._bound(port)
        self.port: int = self._reserved.getsockname()[1]
        self._turn = asyncio.Lock()

    def _bound(self, port: int) -> socket.socket:
        bound = socket.socket(socket.AF_INET6 if ":" in self._listen_on else socket.AF_INET, socket.SOCK_STREAM)
        try:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            bound.bind((self._listen_on, port))
        except OSError as error:
            bound.close()
            where = f"{self._listen_on} port {port}"
            msg = f"camera {self._camera.persona.path}: cannot listen on {where}: {error.strerror}"
            raise UnavailableError(msg) from error
        return bound

    async def follow(self) -> None:
        """Accept connections, or refuse them, as the camera's faults want."""
        async with self._turn:
            wanted = self._camera.listener_wanted
            if wanted and self._server is None:
                loop = asyncio.get_running_loop()
                self._server = await loop.create_server(self._camera.connection, sock=self._reserved, ssl=self._tls)
            elif not wanted and self._server is not None:
                self._server.close()
                self._server = None
                self._reserved = self._bound(self.port)

    def close(self) -> None:
        """Give the port back."""
        if self._server is not None:
            self._server.close()
        self._reserved.close()


class Simulator:
    """Cameras that are not there. `with Simulator(persona) as simulator: simulator.url("high-street")`.

    Sources are read when it is made; sockets and thread exist from `start` to `close`.
    """

    def __init__(self, persona: Persona | Path, *, allow_public: bool = False, log_frames: int = 0) -> None:
        """Read all sources.

        Args:
            persona: the cameras, or the file that describes them.
            allow_public: whether the persona may listen on addresses that other machines reach.
            log_frames: how many sent frames each camera remembers (`CameraControl.frames`).

        Raises:
            InvalidError: if the persona or a source cannot be used.
            MissingError: if a file is not there.
        """
        self._persona = load_persona(persona) if isinstance(persona, Path) else persona
        if not (self._persona.loopback or allow_public):
            msg = (
                f"listen: {self._persona.listen}: simulated cameras would be reachable from other machines; "
                "use 127.0.0.1, or allow it on purpose (--allow-public)"
            )
            raise InvalidError(msg)
        self._sources: dict[Path, Source] = {}
        self._video: dict[tuple[Path, VideoPacking, float], Reel] = {}
        self._cameras = [
            Camera(camera, number, self._reels(camera), self._others(camera), log_frames=log_frames)
            for number, camera in enumerate(self._persona.each_camera(), 1)
        ]
        self.onvif = OnvifServices(self._cameras, self.url)
        """Their ONVIF services."""
        self._tls = self._tls_context()
        self._slots: list[_Slot] = []
        self._executor = concurrent.futures.ThreadPoolExecutor(1, thread_name_prefix="overt-simulator")
        self._ended: concurrent.futures.Future[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ready: concurrent.futures.Future[None] = concurrent.futures.Future()
        self._failure: BaseException | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def __enter__(self) -> Self:
        """Start."""
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close."""
        self.close()

    def __iter__(self) -> Iterator[CameraControl]:
        """Yield all cameras in the persona's order."""
        return (CameraControl(self, camera, slot) for camera, slot in zip(self._cameras, self._slots, strict=True))

    def start(self) -> None:
        """Open the ports and start filming; on return all cameras accept connections.

        Raises:
            UnavailableError: if a port is taken.
            ConflictError: if it was started before.
        """
        if self._ended is not None:
            msg = "a simulator is started only once; make another"
            raise ConflictError(msg)
        self._ended = self._executor.submit(asyncio.run, self._main())
        concurrent.futures.wait((self._ready, self._ended), START_TIMEOUT_S, concurrent.futures.FIRST_COMPLETED)
        if not self._ready.done():
            self.close()
            msg = f"the simulator did not start within {START_TIMEOUT_S} s"
            raise UnavailableError(msg)

    def close(self) -> None:
        """Cut all connections, close all sockets, end the thread. What failed inside is raised here."""
        if self._loop is not None and self._ended is not None and not self._ended.done():
            self._loop.call_soon_threadsafe(self._stopping.set)
        self._executor.shutdown()
        if self._ended is not None:
            self._ended.result()
        failure, self._failure = self._failure, None
        if failure is not None:
            raise failure

    def camera(self, path: str) -> CameraControl:
        """Return the camera with this path.

        Raises:
            MissingError: if the persona has none.
            UnavailableError: before `start`.
        """
        if len(self._slots) < len(self._cameras):
            msg = "the simulator has not been started: its cameras have no ports yet"
            raise UnavailableError(msg)
        for control in self:
            if control.path == path:
                return control
        msg = f"no camera {path!r}; there are {', '.join(camera.persona.path for camera in self._cameras)}"
        raise MissingError(msg)

    def url(self, path: str, *, credentials: bool = False) -> str:
        """Return the URL of a camera, with user and password only if `credentials`."""
        control = self.camera(path)
        persona = next(camera.persona for camera in self._cameras if camera.persona.path == path)
        login = f"{persona.user}:{persona.password.get_secret_value()}@" if credentials and persona.user else ""
        scheme = "rtsp" if self._tls is None else "rtsps"
        return f"{scheme}://{login}{self._host}:{control.port}/{path}"

    def onvif_url(self, path: str) -> str | None:
        """Return the address of a camera's ONVIF service; None if it has none."""
        return self.onvif.address(path, self._host)

    @property
    def _host(self) -> str:
        return f"[{self._persona.listen}]" if ":" in self._persona.listen else self._persona.listen

    # --- for CameraControl -------------------------------------------------------------------------------------

    def call(self, function: Callable[..., _Result], *arguments: object) -> _Result:
        """Call a function in the simulator's thread; after its end (counters may still be read) in this one."""
        if not self._running:
            return function(*arguments)

        async def calling() -> _Result:
            return function(*arguments)

        return self.run(calling())

    def run(self, coroutine: Coroutine[Any, Any, _Result], timeout_s: float = CLOSE_TIMEOUT_S) -> _Result:
        """Run a coroutine in the simulator's loop and return its result.

        Raises:
            UnavailableError: if the simulator is not running.
        """
        if self._loop is None or not self._running:
            coroutine.close()
            msg = "the simulator is not running"
            raise UnavailableError(msg)
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(timeout_s)

    def other_reel(self, persona: CameraPersona, path: Path) -> Reel:
        """Return the video that a `parameters` fault switches to: its parameter sets always come in-band.

        Raises:
            InvalidError: if it has another codec than the camera's source.
        """
        own, other = self._source(persona.source), self._source(path)
        if own.codec != other.codec:
            msg = f"camera {persona.path}: {path.name} is {other.codec}, but the camera was described as {own.codec}"
            raise InvalidError(msg)
        return self._packed(persona, path, in_band=True)

    # --- sources -----------------------------------------------------------------------------------------------

    def _source(self, path: Path) -> Source:
        if path not in self._sources:
            self._sources[path] = read_source(path)
        return self._sources[path]

    def _packed(self, persona: CameraPersona, path: Path, *, in_band: bool) -> Reel:
        source = self._source(path)
        packing = VideoPacking(
            payload_type=DIALECTS[persona.maker].h265_payload_type if source.codec == "h265" else 96,
            mtu=persona.mtu,
            aggregate=persona.aggregate,
            in_band=in_band,
            numbered=persona.number_frames,
        )
        key = (path, packing, persona.speed)
        if key not in self._video:
            self._video[key] = video_reel(source, packing).paced(persona.speed)
        return self._video[key]

    def _reels(self, persona: CameraPersona) -> list[Reel]:
        reels = [self._packed(persona, persona.source, in_band=persona.parameter_sets != "sdp")]
        if persona.audio == "aac":
            aac = self._source(persona.source).aac
            if aac is None:
                msg = f"camera {persona.path}: audio aac: {persona.source.name} holds no AAC track"
                raise InvalidError(msg)
            reels.append(aac_reel(aac, persona.mtu))
        elif persona.audio != "none":
            reels.append(tone_reel(persona.audio))
        return reels

    def _others(self, persona: CameraPersona) -> dict[Path, Reel]:
        paths = {fault.source for fault in persona.faults if isinstance(fault, Parameters)}
        return {path: self.other_reel(persona, path) for path in paths}

    def _tls_context(self) -> ssl.SSLContext | None:
        if self._persona.tls is None:
            return None
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        try:
            context.load_cert_chain(self._persona.tls.certificate, self._persona.tls.key)
        except (ssl.SSLError, OSError) as error:
            files = f"{self._persona.tls.certificate} and {self._persona.tls.key}"
            msg = f"tls: {files} are no certificate and key that belong together: {error}"
            raise InvalidError(msg) from error
        return context

    # --- the thread --------------------------------------------------------------------------------------------

    @property
    def _running(self) -> bool:
        return self._ready.done() and self._ended is not None and not self._ended.done()

    async def _main(self) -> None:
        self._stopping = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._loop.set_exception_handler(self._failed)
        try:
            for index, camera in enumerate(self._cameras):
                port = self._persona.port + index if self._persona.port else 0
                self._slots.append(_Slot(camera, self._persona.listen, port, self._tls))
            for camera, slot in zip(self._cameras, self._slots, strict=True):
                camera.start(self._loop, partial(self._follow, slot))
                await slot.follow()
            await self.onvif.start(self._persona.listen)
            self._ready.set_result(None)
            await self._stopping.wait()
        finally:
            await self._end()

    async def _end(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        for slot in self._slots:
            slot.close()
        self.onvif.close()
        for camera in self._cameras:
            camera.stop()
        # Closed transports call back once more before their sockets are gone.
        for _ in range(100):
            if self.onvif.idle and all(camera.idle for camera in self._cameras):
                break
            await asyncio.sleep(0.005)
        await asyncio.sleep(0)

    def _follow(self, slot: _Slot) -> None:
        if self._loop is None:
            return
        task = self._loop.create_task(slot.follow())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _failed(self, _loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Keep the first failure of a callback for `close`; a broken connection is no failure."""
        error = context.get("exception")
        if isinstance(error, OSError):
            return
        if self._failure is None:
            self._failure = error or RuntimeError(str(context.get("message")))
