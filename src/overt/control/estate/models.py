"""Tables: sites, cameras, devices, installations, streams; what changed; what waits; what the recorder has taken.

A *camera* is a place that is watched, for a reason; a *device* is the box that hangs there this year; an *installation*
joins them for a time. So recordings, purpose and authority to watch outlive the box.
"""

from __future__ import annotations

import uuid
from typing import Any, ClassVar, Final

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils import timezone

from overt.control.people.models import MAX_NAME, Person, SiteGroup
from overt.errors import InvalidError
from overt.ids import checked_name

MAX_WORDS: Final = 2000
RECORDER_NAME: Final = "local"
"""The recorder of this machine, until a site has one of its own."""


class Site(models.Model):
    """A building or a place with cameras."""

    name = models.CharField("Name", max_length=MAX_NAME, unique=True)
    group = models.ForeignKey(SiteGroup, on_delete=models.PROTECT, related_name="sites", verbose_name="Group")
    address = models.CharField("Address", max_length=300, blank=True)
    version = models.PositiveIntegerField(default=0, editable=False)

    class Meta:
        """Order of lists."""

        ordering: ClassVar[list[str]] = ["name"]

    def __str__(self) -> str:
        """Return the name."""
        return self.name


class Camera(models.Model):
    """A place that is watched, for a reason. It does not go live without purpose, legal basis and owner."""

    class State(models.TextChoices):
        """What is wanted of it. Whether it works is another matter (`health`)."""

        DRAFT = "draft", "Being set up"
        RECORDING = "recording", "Recorded"
        OFF = "off", "Switched off"
        RETIRED = "retired", "Retired"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    key = models.CharField("Short name", max_length=63, unique=True)
    """The name that recorder and footage know it by; it is never changed, and never used again."""
    name = models.CharField("Name", max_length=MAX_NAME)
    site = models.ForeignKey(Site, on_delete=models.PROTECT, related_name="cameras", verbose_name="Site")
    location = models.CharField("What it looks at", max_length=300, blank=True)
    state = models.CharField(max_length=16, choices=State, default=State.DRAFT)
    purpose = models.TextField("Purpose", max_length=MAX_WORDS, blank=True)
    legal_basis = models.CharField("Legal basis", max_length=300, blank=True)
    owner = models.ForeignKey(
        Person, on_delete=models.PROTECT, null=True, blank=True, related_name="cameras", verbose_name="Owner"
    )
    review_on = models.DateField("Next review of the need for it", null=True, blank=True)
    retention_days = models.PositiveIntegerField(
        "Days footage is kept", default=31, validators=[MinValueValidator(1), MaxValueValidator(3650)]
    )
    retention_reason = models.TextField("Why so long", max_length=MAX_WORDS, blank=True)
    audio = models.BooleanField("Record sound", default=False)
    audio_reason = models.TextField("Why sound is needed", max_length=MAX_WORDS, blank=True)
    recorder = models.CharField(max_length=63, default=RECORDER_NAME, editable=False)
    version = models.PositiveIntegerField(default=0, editable=False)
    """Raised at each change, so that of two people who save one form the second is told."""
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        """Order of lists."""

        ordering: ClassVar[list[str]] = ["site__name", "name", "key"]

    def __str__(self) -> str:
        """Return the name."""
        return self.name

    def clean(self) -> None:
        """Refuse a name that could not be a folder, and a camera that is to go live without saying why it is there."""
        faults: dict[str, Any] = {}
        try:
            checked_name(self.key, "short name")
        except InvalidError as error:
            faults["key"] = str(error)
        if self.audio and not self.audio_reason.strip():
            faults["audio_reason"] = "Sound needs a justification of its own: say why pictures alone will not do."
        if self.state == self.State.RECORDING:
            faults |= {name: words for name, words in WANTED.items() if not getattr(self, name)}
        if faults:
            raise ValidationError(faults)

    @property
    def wanting(self) -> list[str]:
        """What it lacks before it may go live, as sentences."""
        found = [words for name, words in WANTED.items() if not getattr(self, name)]
        hangs = self.installed
        if hangs is None or not hangs.streams.exists():
            found.append("Say where its pictures come from: add a device with its main stream.")
        return found

    @property
    def installed(self) -> Installation | None:
        """The device that hangs there now."""
        return self.installations.filter(until=None).select_related("device").first()


WANTED: Final[dict[str, str]] = {
    "purpose": "Say what the camera is for: without a purpose it does not go live.",
    "legal_basis": "Say on what legal basis it watches.",
    "owner": "Name somebody who answers for it.",
    "review_on": "Say when the need for it is reviewed next.",
    "retention_reason": "Say why footage is kept for so long.",
}
"""Fields without which a camera does not go live, and what is said of each."""


class Device(models.Model):
    """A piece of equipment, wherever it hangs."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    host = models.CharField("Address", max_length=253)
    port = models.PositiveIntegerField("RTSP port", default=554, validators=[MaxValueValidator(65535)])
    username = models.CharField("User name", max_length=200, blank=True)
    password_sealed = models.TextField(editable=False, blank=True)
    """Encrypted (`estate.credentials`); never shown again."""
    onvif_port = models.PositiveIntegerField(null=True, blank=True, validators=[MaxValueValidator(65535)])
    maker = models.CharField("Maker", max_length=MAX_NAME, blank=True)
    model = models.CharField("Model", max_length=MAX_NAME, blank=True)
    firmware = models.CharField("Firmware", max_length=MAX_NAME, blank=True)
    serial_number = models.CharField("Serial number", max_length=MAX_NAME, blank=True)

    def __str__(self) -> str:
        """Return maker and model, else the address."""
        return " ".join(part for part in (self.maker, self.model) if part) or self.host


class Installation(models.Model):
    """A device hangs at a camera's place for a time."""

    camera = models.ForeignKey(Camera, on_delete=models.PROTECT, related_name="installations")
    device = models.ForeignKey(Device, on_delete=models.PROTECT, related_name="installations")
    since = models.DateTimeField(default=timezone.now)
    until = models.DateTimeField(null=True, blank=True)

    class Meta:
        """One device at a time, at one place at a time."""

        ordering: ClassVar[list[str]] = ["-since"]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["camera"], condition=models.Q(until=None), name="one_device_at_a_time"),
            models.UniqueConstraint(
                fields=["device", "camera"], condition=models.Q(until=None), name="device_once_at_a_camera"
            ),
        ]

    def __str__(self) -> str:
        """Say what hangs where."""
        return f"{self.device} at {self.camera}"


class Stream(models.Model):
    """One encoded stream of an installation, and where it is found.

    The address has no user and password. Some makers want a secret in path or query: then it is masked here, and stands
    whole, encrypted, in `url_sealed` (`estate.equipment.address_of`).
    """

    class Kind(models.TextChoices):
        """Recorded at full quality, or small, for walls."""

        MAIN = "main", "Main stream"
        SUB = "sub", "Substream"

    installation = models.ForeignKey(Installation, on_delete=models.CASCADE, related_name="streams")
    kind = models.CharField(max_length=8, choices=Kind)
    url = models.CharField(max_length=2048)
    url_sealed = models.TextField(editable=False, blank=True)
    transport = models.CharField(
        max_length=8, default="auto", choices=[(each, each) for each in ("auto", "tcp", "udp")]
    )
    codec = models.CharField(max_length=40, blank=True)
    """As a probe found it, with the size in pixels and the frames per second; blank and None: not known."""
    width = models.PositiveIntegerField(null=True)
    height = models.PositiveIntegerField(null=True)
    fps = models.FloatField(null=True)

    class Meta:
        """One of a kind, the main one first."""

        ordering: ClassVar[list[str]] = ["kind"]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["installation", "kind"], name="stream_once")
        ]

    def __str__(self) -> str:
        """Say of what and which."""
        return f"{self.installation}: {self.kind}"


class CameraChange(models.Model):
    """What somebody changed about a camera, and when. The words of passwords never stand here."""

    camera = models.ForeignKey(Camera, on_delete=models.PROTECT, related_name="changes")
    version = models.PositiveIntegerField()
    """The camera's version after it."""
    at = models.DateTimeField(default=timezone.now)
    person = models.ForeignKey(Person, on_delete=models.PROTECT, null=True, related_name="+")
    did = models.CharField(max_length=300)
    fields = models.JSONField(default=list)
    """Of each field its name, and its value before and after as text (`estate.history`)."""

    class Meta:
        """The latest first."""

        ordering: ClassVar[list[str]] = ["-version"]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["camera", "version"], name="camera_version_once")
        ]

    def __str__(self) -> str:
        """Say what and when."""
        return f"{self.camera}, version {self.version}: {self.did}"


class Pending(models.Model):
    """What somebody has begun and not confirmed: what a probe found, a file of cameras. Encrypted; gone in an hour."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    kind = models.CharField(max_length=16)
    person = models.ForeignKey(Person, on_delete=models.CASCADE, related_name="+")
    camera = models.ForeignKey(Camera, on_delete=models.CASCADE, null=True, related_name="+")
    at = models.DateTimeField(default=timezone.now)
    sealed = models.TextField()

    def __str__(self) -> str:
        """Say what kind it is."""
        return f"{self.kind} of {self.person}"


class RecorderAssignment(models.Model):
    """How far a recorder is with what it is to record."""

    recorder = models.CharField(max_length=63, primary_key=True)
    revision = models.PositiveBigIntegerField(default=0)
    """Raised with each change of what is recorded."""
    taken_revision = models.PositiveBigIntegerField(default=0)
    waiting_since = models.DateTimeField(null=True)
    """Since when there is a change that the recorder has not taken; None: it has all."""
    problem = models.TextField(blank=True)
    """Why it has not, as a sentence."""
    left_out = models.JSONField(default=dict)
    """Cameras that cannot be put to it, by their keys, and why."""

    def __str__(self) -> str:
        """Return the recorder's name."""
        return self.recorder
