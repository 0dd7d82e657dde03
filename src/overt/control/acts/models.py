"""Tables of `acts`: by which the leaves of the ledger are found. They prove nothing and can be made anew from it."""

from __future__ import annotations

from typing import ClassVar

from django.db import models


class Act(models.Model):
    """One leaf: what it is looked for by."""

    number = models.PositiveBigIntegerField(primary_key=True)
    """Of the leaf, from 0."""
    at = models.DateTimeField()
    kind = models.CharField(max_length=32)
    actor = models.UUIDField(null=True)
    """Whose account; null: the control room's, or nobody's that it knows."""
    person = models.UUIDField(null=True)
    """Whose account it is about."""
    reference = models.CharField(max_length=64, blank=True)
    pruned = models.BooleanField(default=False)
    """Its details were removed from the ledger, and whatever followed from them from this row."""

    class Meta:
        """Newest first; found by time together with what it is looked for by."""

        ordering: ClassVar[list[str]] = ["-number"]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["actor", "-number"], name="act_of_actor"),
            models.Index(fields=["person", "-number"], name="act_of_person"),
            models.Index(fields=["kind", "-number"], name="act_of_kind"),
            models.Index(fields=["reference", "-number"], name="act_of_reference", condition=~models.Q(reference="")),
            models.Index(fields=["at"], name="act_at"),
        ]

    def __str__(self) -> str:
        """Return number and kind."""
        return f"{self.number} {self.kind}"


class ActCamera(models.Model):
    """A camera that a leaf is about, by its short name."""

    act = models.ForeignKey(Act, on_delete=models.CASCADE, related_name="cameras")
    camera = models.CharField(max_length=64)

    class Meta:
        """One of a camera for each leaf; found by camera."""

        indexes: ClassVar[list[models.Index]] = [models.Index(fields=["camera", "-act"], name="act_of_camera")]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["act", "camera"], name="act_camera_once")
        ]

    def __str__(self) -> str:
        """Return the camera's short name."""
        return self.camera


class ActReviewed(models.Model):
    """Somebody whose looks were read by their name: an act of kind `ledger.read`."""

    act = models.ForeignKey(Act, on_delete=models.CASCADE, related_name="reviewed")
    person = models.UUIDField()

    class Meta:
        """One of a person for each leaf; found by person."""

        indexes: ClassVar[list[models.Index]] = [models.Index(fields=["person", "-act"], name="act_reviewed_of")]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["act", "person"], name="act_reviewed_once")
        ]

    def __str__(self) -> str:
        """Return whose and in which leaf."""
        return f"{self.person} in {self.act_id}"
