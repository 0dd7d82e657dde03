"""What can go wrong with a simulated camera: the kinds of fault, as personas and tests write them.

Times are seconds since the simulator started. A fault that lasts is in force from `at_s` for `for_s` (without
`for_s`: until it is cleared); one that strikes does so at `at_s`, and again every `every_s` if that is given.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, PositiveInt, TypeAdapter

from overt.simulator.paths import SourcePath


class _Fault(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    at_s: float = Field(default=0.0, ge=0)


class _Lasting(_Fault):
    for_s: PositiveFloat | None = None


class _Striking(_Fault):
    every_s: PositiveFloat | None = None


class Drop(_Lasting):
    """Of `one_in` RTP packets one is never sent, chosen by chance from `seed`."""

    kind: Literal["drop"]
    one_in: PositiveInt = 100
    seed: int = 1


class Duplicate(_Lasting):
    """Of `one_in` RTP packets one is sent twice."""

    kind: Literal["duplicate"]
    one_in: PositiveInt = 100
    seed: int = 1


class Reorder(_Lasting):
    """Of `one_in` RTP packets one changes places with the next of its frame."""

    kind: Literal["reorder"]
    one_in: PositiveInt = 100
    seed: int = 1


class Corrupt(_Lasting):
    """Of `one_in` RTP packets one has a payload byte changed (its length and its RTP header stay right)."""

    kind: Literal["corrupt"]
    one_in: PositiveInt = 100
    seed: int = 1


class Stall(_Lasting):
    """No packet is sent; connections stay open and requests are answered."""

    kind: Literal["stall"]


class Drip(_Lasting):
    """Everything is sent `bytes` at a time, one piece each `interval_ms`."""

    kind: Literal["drip"]
    bytes: PositiveInt = 10
    interval_ms: PositiveFloat = 50.0


class RefusePassword(_Lasting):
    """Every request is answered 401, whatever password it proves."""

    kind: Literal["refuse_password"]


class BlackHole(_Lasting):
    """Connections are accepted; nothing is read, answered or sent."""

    kind: Literal["black_hole"]


class RefuseConnection(_Lasting):
    """Nobody listens on the camera's port; sessions that are open live on."""

    kind: Literal["refuse_connection"]


class Flood(_Lasting):
    """Frames come `factor` times as fast as they should, their time stamps running ahead with them."""

    kind: Literal["flood"]
    factor: PositiveFloat = 50.0


class Html(_Lasting):
    """Every request is answered by a web page."""

    kind: Literal["html"]


class EndlessHeaders(_Lasting):
    """Every request is answered by a head that never ends."""

    kind: Literal["endless_headers"]


class RenumberChannels(_Lasting):
    """SETUP replies assign interleaved channels that are `by` higher than those asked for."""

    kind: Literal["renumber_channels"]
    by: Annotated[int, Field(ge=2, le=200, multiple_of=2)] = 4


class NoMarker(_Lasting):
    """RTP marker bits are never set."""

    kind: Literal["no_marker"]


class Redirect(_Lasting):
    """DESCRIBE is answered `302` with this URL."""

    kind: Literal["redirect"]
    to: str


class Answer(_Lasting):
    """Every request of `method` is answered with `status`."""

    kind: Literal["answer"]
    method: str = "DESCRIBE"
    status: Annotated[int, Field(ge=100, le=599)] = 503


class Die(_Striking):
    """All connections are closed; with `reset` without the courtesy of a FIN."""

    kind: Literal["die"]
    reset: bool = False


class Parameters(_Striking):
    """From its next frame on the camera shows `source`, whose parameter sets come in-band."""

    kind: Literal["parameters"]
    source: SourcePath


class ClockStep(_Striking):
    """The camera's wall clock (not its RTP clock) is put forward by `by_s`, or back if that is negative."""

    kind: Literal["clock_step"]
    by_s: float


class Garbage(_Striking):
    """`bytes` bytes of chance from `seed` stand between two packets of the TCP stream."""

    kind: Literal["garbage"]
    bytes: Annotated[int, Field(gt=0, le=1_000_000)] = 100
    seed: int = 1


class TimestampJump(_Striking):
    """RTP time stamps jump by `by_s`; sender reports know of it."""

    kind: Literal["timestamp_jump"]
    by_s: float


Striking = Die | Parameters | ClockStep | Garbage | TimestampJump
Lasting = (
    Drop
    | Duplicate
    | Reorder
    | Corrupt
    | Stall
    | Drip
    | RefusePassword
    | BlackHole
    | RefuseConnection
    | Flood
    | Html
    | EndlessHeaders
    | RenumberChannels
    | NoMarker
    | Redirect
    | Answer
)
Fault = Annotated[Striking | Lasting, Field(discriminator="kind")]
FAULT: Final[TypeAdapter[Striking | Lasting]] = TypeAdapter(Fault)
"""Validates one fault from its fields."""
