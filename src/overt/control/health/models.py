"""Tables of `health`: what the recorder said, what is wrong now, and whom it was told.

Cameras stand here under their short name, as recorder and footage know them: what happened outlives
rows of the register.
"""

from __future__ import annotations

from typing import ClassVar, Final

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models

from overt.contract.fact import DISK_STATES, GAP_CAUSES, STREAM_STATES
from overt.control.estate.models import RECORDER_NAME
from overt.control.health.severity import Severity
from overt.control.people.models import MAX_NAME, SiteGroup

MAX_KEY: Final = 63
MAX_REASON: Final = 1000
MAX_LOCATION: Final = 300


class Recorder(models.Model):
    """A recorder: how far its facts are read, and how it fared when it was heard last."""

    name = models.CharField(primary_key=True, max_length=MAX_KEY, default=RECORDER_NAME)
    cursor = models.BigIntegerField(default=0)
    """Sequence of the last fact that was read; saved together with what it taught."""
    heard_at = models.DateTimeField(null=True)
    away_since = models.DateTimeField(null=True)
    """Since when it does not answer; None: it does."""
    away_reason = models.CharField(max_length=MAX_REASON, blank=True)
    refused_at = models.DateTimeField(null=True)
    """When it refused an assignment; None: it took the last one."""
    refused_reason = models.CharField(max_length=MAX_REASON, blank=True)
    summary = models.JSONField(default=dict)
    """Its own judgement, disks, workers and counts at `heard_at` (`health.report.Summary`)."""
    canary = models.JSONField(default=dict)
    """Whether yesterday's footage opens (`health.canary.CanaryState`)."""

    def __str__(self) -> str:
        """Return the name."""
        return self.name


class StreamNow(models.Model):
    """The state of a stream, by the last fact about it."""

    camera = models.CharField(max_length=MAX_KEY)
    stream = models.CharField(max_length=MAX_KEY)
    state = models.CharField(max_length=16, choices=[(each, each) for each in STREAM_STATES])
    reason = models.CharField(max_length=MAX_REASON, blank=True)
    since = models.DateTimeField()

    class Meta:
        """One row a stream."""

        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["camera", "stream"], name="stream_now_once")
        ]

    def __str__(self) -> str:
        """Say which and how."""
        return f"{self.camera}/{self.stream}: {self.state}"


class Gap(models.Model):
    """Time without footage of a stream; open while `end` is None."""

    camera = models.CharField(max_length=MAX_KEY)
    stream = models.CharField(max_length=MAX_KEY)
    cause = models.CharField(max_length=16, choices=[(each, each) for each in GAP_CAUSES])
    reason = models.CharField(max_length=MAX_REASON, blank=True)
    start = models.DateTimeField()
    end = models.DateTimeField(null=True)

    class Meta:
        """One that begins at a moment; read by camera and time."""

        ordering: ClassVar[list[str]] = ["start"]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["camera", "stream", "start"], name="gap_once")
        ]
        indexes: ClassVar[list[models.Index]] = [models.Index(fields=["stream", "end"], name="gap_by_end")]

    def __str__(self) -> str:
        """Say of what and since when."""
        return f"{self.camera}/{self.stream}: {self.cause} from {self.start}"


class Assigned(models.Model):
    """A camera was to be recorded for a time; until None: it still is."""

    camera = models.CharField(max_length=MAX_KEY)
    since = models.DateTimeField()
    until = models.DateTimeField(null=True)

    class Meta:
        """One at a time."""

        ordering: ClassVar[list[str]] = ["since"]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["camera"], condition=models.Q(until=None), name="assigned_once")
        ]

    def __str__(self) -> str:
        """Say what and since when."""
        return f"{self.camera} from {self.since}"


class Event(models.Model):
    """A fact that is remembered as it came: a restart, a step of the clock, a disk's change of state, facts lost."""

    id = models.UUIDField(primary_key=True)
    kind = models.CharField(max_length=40)
    at = models.DateTimeField(db_index=True)
    data = models.JSONField(default=dict)

    def __str__(self) -> str:
        """Say what and when."""
        return f"{self.kind} at {self.at}"


class Deletion(models.Model):
    """What was deleted of a camera on a day (UTC), for one reason."""

    day = models.DateField()
    camera = models.CharField(max_length=MAX_KEY)
    reason = models.CharField(max_length=16)
    segments = models.PositiveBigIntegerField(default=0)
    bytes = models.PositiveBigIntegerField(default=0)
    newest = models.DateTimeField()
    """End of the newest footage that went."""
    sequence = models.BigIntegerField(default=0)
    """The last fact that is counted in here: one that comes again is passed over."""

    class Meta:
        """One row a day, camera and reason."""

        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["day", "camera", "reason"], name="deletion_once")
        ]

    def __str__(self) -> str:
        """Say what and when."""
        return f"{self.camera}: {self.bytes} bytes on {self.day}"


class DiskSample(models.Model):
    """How much was free at a storage location, once an hour."""

    location = models.CharField(max_length=MAX_LOCATION)
    at = models.DateTimeField()
    free_bytes = models.BigIntegerField()
    total_bytes = models.BigIntegerField()
    state = models.CharField(max_length=16, choices=[(each, each) for each in DISK_STATES])

    class Meta:
        """One an hour."""

        ordering: ClassVar[list[str]] = ["at"]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["location", "at"], name="disk_sample_once")
        ]

    def __str__(self) -> str:
        """Say where and how much."""
        return f"{self.location}: {self.free_bytes} bytes free at {self.at}"


class UsualBitRate(models.Model):
    """What a camera's main stream usually takes, as a mean over days; the sign of a picture that froze is far less."""

    camera = models.CharField(primary_key=True, max_length=MAX_KEY)
    bit_rate = models.FloatField()
    samples = models.PositiveIntegerField(default=0)
    """Hours in which it was looked at."""
    at = models.DateTimeField()
    low_since = models.DateTimeField(null=True)
    """Since when it takes far less; None: it does not."""

    def __str__(self) -> str:
        """Say what and how much."""
        return f"{self.camera}: {self.bit_rate:.0f} bit/s"


class Condition(models.Model):
    """Something that is (or was) wrong; `kind` and `subject` name it, and it stands once at a time."""

    kind = models.CharField(max_length=40)
    subject = models.CharField(max_length=MAX_LOCATION + MAX_KEY)
    camera = models.CharField(max_length=MAX_KEY, blank=True)
    """The camera's short name, if it is about one."""
    severity = models.CharField(max_length=8, choices=[(each.value, each.value) for each in Severity])
    title = models.CharField(max_length=400)
    words = models.CharField(max_length=2 * MAX_REASON)
    since = models.DateTimeField()
    until = models.DateTimeField(null=True)
    network = models.CharField(max_length=64, blank=True)
    """Part of the network that the camera hangs in, to see that a switch died; empty: not known."""

    class Meta:
        """One at a time; the newest first."""

        ordering: ClassVar[list[str]] = ["-since"]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(
                fields=["kind", "subject"], condition=models.Q(until=None), name="condition_once_at_a_time"
            )
        ]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["until"], name="condition_by_end"),
            models.Index(fields=["camera"], name="condition_by_camera"),
        ]

    def __str__(self) -> str:
        """Return the title."""
        return self.title


class AlertRule(models.Model):
    """Who is told of what, and how."""

    name = models.CharField("Name", max_length=MAX_NAME, unique=True)
    kinds = models.JSONField("Conditions", default=list, blank=True)
    """Kinds of conditions; empty: all from `severity` on."""
    severity = models.CharField(
        "From which severity on",
        max_length=8,
        default=Severity.WARNING.value,
        choices=[(e.value, e.value) for e in Severity],
    )
    group = models.ForeignKey(
        SiteGroup, on_delete=models.CASCADE, null=True, blank=True, related_name="+", verbose_name="Sites"
    )
    """Cameras of this group alone; None: everything, the recorder too."""
    channel = models.CharField("Sent by", max_length=16)
    address_sealed = models.TextField(editable=False)
    """Encrypted: the addresses of some channels let anybody send who knows them."""
    secret_sealed = models.TextField(editable=False, blank=True)
    shown = models.CharField(max_length=300, editable=False)
    """The address as pages may show it."""
    delay_s = models.PositiveIntegerField(
        "Seconds before it is said", default=60, validators=[MaxValueValidator(86_400)]
    )
    repeat_hours = models.PositiveIntegerField(
        "Hours until it is said again", null=True, blank=True, validators=[MinValueValidator(1), MaxValueValidator(720)]
    )
    enabled = models.BooleanField("In use", default=True)
    version = models.PositiveIntegerField(default=0, editable=False)

    class Meta:
        """Order of lists."""

        ordering: ClassVar[list[str]] = ["name"]

    def __str__(self) -> str:
        """Return the name."""
        return self.name


class Incident(models.Model):
    """What a rule said together: one condition, or many that began together at one place."""

    rule = models.ForeignKey(AlertRule, on_delete=models.CASCADE, related_name="incidents")
    place = models.CharField(max_length=300, blank=True)
    """Site or network of a group; empty: it is about one condition."""
    conditions = models.ManyToManyField(Condition, related_name="incidents")
    said_at = models.DateTimeField()
    """When it was said, or said again, last."""
    some_back_at = models.DateTimeField(null=True)
    """When it was said that some of them are back."""
    over_at = models.DateTimeField(null=True)

    class Meta:
        """Open ones are looked for at every round."""

        indexes: ClassVar[list[models.Index]] = [models.Index(fields=["over_at"], name="incident_by_end")]

    def __str__(self) -> str:
        """Say of which rule and when."""
        return f"{self.rule}: {self.said_at}"


class Message(models.Model):
    """A message on its way; kept for a while after it arrived, so that the page can say what was sent."""

    rule = models.ForeignKey(AlertRule, on_delete=models.CASCADE, related_name="messages")
    made_at = models.DateTimeField(db_index=True)
    subject = models.CharField(max_length=300)
    body = models.TextField()
    data = models.JSONField(default=dict)
    """The same for programs."""
    test = models.BooleanField(default=False)
    attempts = models.PositiveIntegerField(default=0)
    next_at = models.DateTimeField(null=True, db_index=True)
    """When it is tried (again); None: it arrived, or nobody tries any more."""
    sent_at = models.DateTimeField(null=True)
    failure = models.CharField(max_length=MAX_REASON, blank=True)
    """Why the last attempt failed."""

    class Meta:
        """The newest first."""

        ordering: ClassVar[list[str]] = ["-made_at"]

    def __str__(self) -> str:
        """Return the subject."""
        return self.subject
