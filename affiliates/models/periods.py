from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from affiliates.models.conversions import Conversion
from affiliates.models.plans import Enrolment, Plan, PlanVersion
from loyalty.models import Replay


class Tally(models.Model):
    """What a bill counts for an affiliate's periods: tiers, limits and goals are sums of these.

    Kept as the bill stands now. A bill that waits for a person counts no money, no order and no
    units, but its amount counts against the limit. `units` is what the base rate was multiplied
    with, `desired` what the bill paid before the limit.
    """

    conversion = models.ForeignKey(Conversion, on_delete=models.PROTECT, related_name="tallies")
    enrolment = models.ForeignKey(Enrolment, on_delete=models.PROTECT, related_name="tallies")
    plan_version = models.ForeignKey(PlanVersion, on_delete=models.PROTECT, related_name="+")
    day = models.DateField(help_text="The bill's, in its store's zone.")
    currency = models.CharField(max_length=3)
    net = models.DecimalField(max_digits=16, decimal_places=4, default=0)
    orders = models.PositiveSmallIntegerField(default=0)
    units = models.DecimalField(max_digits=18, decimal_places=6, default=0)
    base = models.DecimalField(max_digits=12, decimal_places=4)
    rate = models.DecimalField(max_digits=12, decimal_places=4)
    amount = models.DecimalField(max_digits=14, decimal_places=2, default=0)
    desired = models.DecimalField(max_digits=14, decimal_places=2, default=0)
    held_until = models.DateTimeField()

    class Meta:
        verbose_name_plural = "tallies"
        constraints = [
            models.UniqueConstraint(fields=["conversion", "enrolment"], name="tally_once"),
        ]
        indexes = [models.Index(fields=["enrolment", "day"], name="tally_day")]

    def __str__(self) -> str:
        return f"{self.amount} {self.currency} on {self.day}"


class PlanReplay(Replay):
    """A try of a plan's draft over bills that affiliates brought; nobody is credited.

    `terms` is the draft as it was tried. With `everybody`, the bills of all affiliates are
    counted, as if they were on this plan.
    """

    plan = models.ForeignKey(Plan, on_delete=models.PROTECT, related_name="replays")
    terms = models.JSONField()
    everybody = models.BooleanField(default=False)

    class Meta:
        verbose_name = "plan replay"
        constraints = [
            models.CheckConstraint(condition=Q(until__gt=F("since")), name="plan_replay_has_days"),
        ]
        indexes = [
            models.Index(
                fields=["id"],
                condition=Q(state__in=["queued", "running"]),
                name="plan_replay_open",
            )
        ]


class PlanDraft(models.Model):
    """What a plan may say next; nothing is paid by it before it is published."""

    plan = models.OneToOneField(Plan, on_delete=models.CASCADE, related_name="draft")
    terms = models.JSONField(help_text="The columns of a version and its terms, as texts.")
    saved_at = models.DateTimeField(default=timezone.now)
    saved_by = models.ForeignKey(
        "staff.User", null=True, on_delete=models.PROTECT, related_name="+", editable=False
    )

    def __str__(self) -> str:
        return f"Draft of {self.plan_id}"
