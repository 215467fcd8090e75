from django.core.validators import MaxValueValidator
from django.db import models
from django.db.models import Q, Value
from django.utils import timezone

from loyalty.engine.tiers import TierStep
from loyalty.models.programs import Program


class Tier(models.Model):
    """A step of the ladder, reached by what the programme measures within its window."""

    program = models.ForeignKey(Program, on_delete=models.PROTECT, related_name="tiers")
    name = models.CharField(max_length=40)
    threshold = models.DecimalField(
        "needed",
        max_digits=14,
        decimal_places=2,
        help_text="Money, points or days of buying, as the programme counts; 0: the first tier.",
    )
    color = models.CharField(max_length=7, default="#64748b", help_text="Like #d4af37.")
    benefits = models.TextField(blank=True, help_text="One a line, in the customer's words.")
    birthday_points = models.PositiveIntegerField(
        "birthday gift",
        default=0,
        validators=[MaxValueValidator(1_000_000)],
        help_text="Points that customers of this tier get on their birthday.",
    )

    class Meta:
        ordering = ["threshold"]
        permissions = [("give_tier", "Can give a customer a tier by hand")]
        constraints = [
            models.UniqueConstraint(fields=["program", "threshold"], name="tier_step_once"),
            models.CheckConstraint(condition=Q(threshold__gte=0), name="tier_threshold_positive"),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def step(self) -> TierStep:
        """The tier as the engine sees it."""
        return TierStep(tier_id=self.pk, threshold=self.threshold)


class TierChange(models.Model):
    """A move between tiers, with the figures that caused it; append-only.

    `spend` is what was measured, whatever the programme measures; `figures` says by what, over
    which days, and how much the tier needs.
    """

    class Cause(models.TextChoices):
        BILL = "bill", "Reached by a bill"
        REVIEW = "review", "Found at the nightly review"
        PERIOD_END = "period_end", "Not earned again"
        GIVEN = "given", "Given by hand"
        GIVEN_ENDED = "given_ended", "Given tier ended"

    account = models.ForeignKey(
        "loyalty.Account", on_delete=models.PROTECT, related_name="tier_changes"
    )
    tier = models.ForeignKey(Tier, on_delete=models.PROTECT, related_name="+")
    previous = models.ForeignKey(Tier, null=True, on_delete=models.PROTECT, related_name="+")
    spend = models.DecimalField("measured", max_digits=14, decimal_places=2)
    cause = models.CharField(
        max_length=11, choices=Cause.choices, default=Cause.BILL, db_default=Cause.BILL
    )
    reason = models.CharField(max_length=200)
    figures = models.JSONField(default=dict, db_default=Value({}, models.JSONField()))
    actor = models.ForeignKey("staff.User", null=True, on_delete=models.PROTECT, related_name="+")
    occurred_at = models.DateTimeField()
    recorded_at = models.DateTimeField(default=timezone.now)

    class Meta:
        indexes = [models.Index(fields=["account", "occurred_at"], name="tier_change_account")]

    def __str__(self) -> str:
        return f"{self.tier} on {self.occurred_at:%Y-%m-%d}"
