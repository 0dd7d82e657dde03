"""Tables of `viewing`: layouts and tours, floor plans, and the register of purposes."""

from __future__ import annotations

import uuid
from typing import ClassVar, Final

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models

from overt.control.estate.models import Camera, Site
from overt.control.people.actions import Action
from overt.control.people.models import MAX_NAME, Person, SiteGroup, one_line

TILES: Final = (1, 4, 6, 9, 16)
"""Tiles of a wall; 6 are one large one and five small ones."""
OPENABLE: Final = (Action.REPLAY, Action.RECORDED, Action.EXPORT)
"""What a purpose may open; watching live needs none."""


def openable(value: object) -> None:
    """Refuse what is no list of what a purpose may open, and an empty one."""
    if not isinstance(value, list) or not value or not set(value) <= {each.value for each in OPENABLE}:
        msg = "Choose what may be opened for this purpose: at least one."
        raise ValidationError(msg)


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


class Purpose(models.Model):
    """For what people may look back, as the scheme's register of purposes has it."""

    name = models.CharField("Name", max_length=MAX_NAME, unique=True, validators=[one_line])
    legal_basis = models.CharField("Legal basis", max_length=400, validators=[one_line])
    needs_reference = models.BooleanField("A reference has to be given", default=False)
    reference_name = models.CharField(
        "What the reference is", max_length=60, default="Incident number", validators=[one_line]
    )
    opens = models.JSONField(default=list, validators=[openable])
    """Values of `Action`: replay, recorded, export."""
    may_stand = models.BooleanField("May be approved for a shift", default=False)
    """Whoever has the right may open it for themselves for some hours (`viewing.approvals`)."""
    in_use = models.BooleanField("In use", default=True)
    version = models.PositiveIntegerField(default=0, editable=False)

    class Meta:
        """In the order in which they were made."""

        ordering: ClassVar[list[str]] = ["id"]

    def __str__(self) -> str:
        """Return the name."""
        return self.name


class Approval(models.Model):
    """A purpose that somebody opened for themselves for a shift: while it holds, it answers why they look back."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    person = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="approvals")
    purpose = models.ForeignKey(Purpose, on_delete=models.PROTECT, related_name="approvals")
    reference = models.CharField(max_length=64, blank=True)
    groups = models.ManyToManyField(SiteGroup, related_name="+")
    begins_at = models.DateTimeField()
    until = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)
    """When it was ended, before or at its end; null: it holds, or its end has passed and nobody has looked since."""

    class Meta:
        """Newest first; one that was not ended for each person."""

        ordering: ClassVar[list[str]] = ["-begins_at"]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["person"], condition=models.Q(ended_at=None), name="approval_once"),
            models.CheckConstraint(condition=models.Q(until__gt=models.F("begins_at")), name="approval_ends"),
        ]

    def __str__(self) -> str:
        """Return the purpose, with its reference."""
        return f"{self.purpose} ({self.reference})" if self.reference else str(self.purpose)
