from django.db import models
from django.db.models import Q
from django.utils import timezone

from loyalty.models.ledger import Account, PointsEntry
from loyalty_site.staff.roles import Role


class Adjustment(models.Model):
    """A correction by hand: what was asked for and why, who asked, and who let it through.

    Small ones are posted at once; what passes the limit of the role waits for a second person.
    """

    class Cause(models.TextChoices):
        MISSING = "missing", "A purchase is missing"
        MISTAKE = "mistake", "Something was booked wrongly"
        GOODWILL = "goodwill", "Goodwill after a complaint"
        MISUSE = "misuse", "Points were gained by misuse"
        TAKE_OVER = "take_over", "Points from an earlier system"
        OTHER = "other", "Another reason"

    class State(models.TextChoices):
        WAITING = "waiting", "Waits for a second person"
        POSTED = "posted", "Posted"
        REFUSED = "refused", "Refused"

    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="adjustments")
    points = models.BigIntegerField(help_text="With a minus to take points away.")
    cause = models.CharField("reason", max_length=9, choices=Cause.choices)
    note = models.CharField(
        max_length=200, help_text="What the customer reads, like “Bill 123 was typed twice”."
    )
    document = models.CharField(
        max_length=120, help_text="What proves it: a bill, ticket or letter number."
    )
    token = models.CharField(max_length=40, unique=True, editable=False)
    state = models.CharField(max_length=7, choices=State.choices, default=State.WAITING)
    requested_by = models.ForeignKey("staff.User", on_delete=models.PROTECT, related_name="+")
    requested_at = models.DateTimeField(default=timezone.now, editable=False)
    decided_by = models.ForeignKey(
        "staff.User", null=True, on_delete=models.PROTECT, related_name="+"
    )
    decided_at = models.DateTimeField(null=True)
    decision_note = models.CharField(max_length=200, blank=True)
    entry = models.OneToOneField(
        PointsEntry, null=True, on_delete=models.PROTECT, related_name="adjustment"
    )

    class Meta:
        permissions = [("approve_adjustment", "Can approve corrections of others")]
        constraints = [
            models.CheckConstraint(condition=~Q(points=0), name="adjustment_moves_points"),
            models.CheckConstraint(
                condition=Q(decided_by__isnull=True) | ~Q(decided_by=models.F("requested_by")),
                name="adjustment_second_person",
            ),
            models.CheckConstraint(
                condition=Q(state="posted", entry__isnull=False)
                | (~Q(state="posted") & Q(entry__isnull=True)),
                name="adjustment_posted_with_entry",
            ),
        ]
        indexes = [
            models.Index(fields=["state", "id"], name="adjustment_inbox"),
            models.Index(fields=["requested_by", "requested_at"], name="adjustment_by_user"),
        ]

    def __str__(self) -> str:
        return f"{self.points:+d} for {self.account_id}"


class AdjustmentLimit(models.Model):
    """How many points a role may correct in a day before a second person has to agree."""

    role = models.CharField(
        max_length=20, unique=True, choices=[(role.value, role.value.title()) for role in Role]
    )
    points_a_day = models.PositiveBigIntegerField(
        help_text="Points added and taken away count alike. 0: always a second person."
    )

    class Meta:
        ordering = ["role"]

    def __str__(self) -> str:
        return self.get_role_display()
