"""Tables of `viewing`: layouts and tours, floor plans, and who looked at recorded footage."""

from __future__ import annotations

import uuid
from typing import ClassVar, Final

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils import timezone

from overt.control.estate.models import Camera, Site
from overt.control.people.models import MAX_NAME, Person, SiteGroup

TILES: Final = (1, 4, 6, 9, 16)
"""Tiles of a wall; 6 are one large one and five small ones."""


class Layout(models.Model):
    """Which cameras stand where on a wall; its owner's, or shared with everybody who has rights at a group."""

    name = models.CharField("Name", max_length=MAX_NAME)
    owner = models.ForeignKey(Person, on_delete=models.CASCADE, related_name="layouts")
    group = models.ForeignKey(SiteGroup, on_delete=models.CASCADE, null=True, blank=True, related_name="layouts")
    tiles = models.PositiveSmallIntegerField(choices=[(each, str(each)) for each in TILES])
    cells = models.JSONField(default=list)
    """A camera's short name, or null, for each tile."""

    class Meta:
        """Order of lists; one of a name for each owner."""

        ordering: ClassVar[list[str]] = ["name", "id"]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["owner", "name"], name="layout_once")
        ]

    def __str__(self) -> str:
        """Return the name."""
        return self.name


class Tour(models.Model):
    """Layouts that a wall shows in turn."""

    name = models.CharField("Name", max_length=MAX_NAME)
    owner = models.ForeignKey(Person, on_delete=models.CASCADE, related_name="tours")
    group = models.ForeignKey(SiteGroup, on_delete=models.CASCADE, null=True, blank=True, related_name="tours")

    class Meta:
        """Order of lists; one of a name for each owner."""

        ordering: ClassVar[list[str]] = ["name", "id"]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["owner", "name"], name="tour_once")
        ]

    def __str__(self) -> str:
        """Return the name."""
        return self.name


class TourStep(models.Model):
    """One layout of a tour, and for how long it is shown."""

    tour = models.ForeignKey(Tour, on_delete=models.CASCADE, related_name="steps")
    layout = models.ForeignKey(Layout, on_delete=models.CASCADE, related_name="steps")
    position = models.PositiveSmallIntegerField()
    seconds = models.PositiveSmallIntegerField(validators=[MinValueValidator(5), MaxValueValidator(3600)])

    class Meta:
        """In the order in which they are shown."""

        ordering: ClassVar[list[str]] = ["position"]

    def __str__(self) -> str:
        """Say what is shown for how long."""
        return f"{self.layout}, {self.seconds} s"


class FloorPlan(models.Model):
    """A picture of a site from above. The file was made here from what somebody brought (`viewing.pictures`)."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    site = models.ForeignKey(Site, on_delete=models.PROTECT, related_name="plans")
    name = models.CharField("Name", max_length=MAX_NAME)
    width = models.PositiveIntegerField()
    height = models.PositiveIntegerField()
    """Pixels."""

    class Meta:
        """Order of lists."""

        ordering: ClassVar[list[str]] = ["site__name", "name"]

    def __str__(self) -> str:
        """Return the name."""
        return f"{self.site}: {self.name}"


class Pin(models.Model):
    """A camera on a floor plan."""

    plan = models.ForeignKey(FloorPlan, on_delete=models.CASCADE, related_name="pins")
    camera = models.ForeignKey(Camera, on_delete=models.CASCADE, related_name="pins")
    x = models.FloatField(validators=[MinValueValidator(0), MaxValueValidator(100)])
    y = models.FloatField(validators=[MinValueValidator(0), MaxValueValidator(100)])
    """From the left and from the top, in hundredths of the picture."""
    direction = models.PositiveSmallIntegerField(validators=[MaxValueValidator(359)])
    """Where it looks: degrees, clockwise, 0 is up."""

    class Meta:
        """One of a camera on a plan."""

        ordering: ClassVar[list[str]] = ["camera__name"]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["plan", "camera"], name="pin_once")
        ]

    def __str__(self) -> str:
        """Return the camera's name."""
        return str(self.camera)


class Look(models.Model):
    """Recorded footage was opened for somebody, or taken away as a clip. Written before it happens."""

    class Kind(models.TextChoices):
        """Looked at, or saved as a file."""

        OPENED = "opened", "Opened"
        CLIP = "clip", "Saved a clip"

    person = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="looks")
    kind = models.CharField(max_length=8, choices=Kind)
    grant = models.UUIDField()
    cameras = models.JSONField(default=list)
    """Short names."""
    footage_from = models.DateTimeField()
    footage_to = models.DateTimeField()
    begun_at = models.DateTimeField(default=timezone.now)
    ended_at = models.DateTimeField(null=True, blank=True)
    """Null: it lasts, or the control room was stopped before it could say so."""

    class Meta:
        """Newest first."""

        ordering: ClassVar[list[str]] = ["-begun_at"]

    def __str__(self) -> str:
        """Say who and what."""
        return f"{self.person}: {', '.join(self.cameras)}"
