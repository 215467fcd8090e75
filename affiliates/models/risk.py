from django.db import models
from django.utils import timezone

from affiliates.models.conversions import CommissionEntry, Conversion
from affiliates.models.people import Affiliate


class Flag(models.Model):
    """Why a bill's commission is held for a person to look at; `evidence` says what was seen."""

    conversion = models.ForeignKey(Conversion, on_delete=models.PROTECT, related_name="flags")
    check_name = models.CharField(max_length=40)
    evidence = models.JSONField(default=dict)
    noted_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(fields=["conversion", "check_name"], name="flagged_once"),
        ]

    def __str__(self) -> str:
        return self.check_name


class Dispute(models.Model):
    """An affiliate disagrees with a commission, or misses one; staff answer."""

    class State(models.TextChoices):
        OPEN = "open", "Waits for an answer"
        ACCEPTED = "accepted", "Accepted"
        DECLINED = "declined", "Declined"

    affiliate = models.ForeignKey(Affiliate, on_delete=models.PROTECT, related_name="disputes")
    entry = models.ForeignKey(
        CommissionEntry, null=True, blank=True, on_delete=models.PROTECT, related_name="disputes"
    )
    bill_number = models.CharField(max_length=60, blank=True)
    text = models.TextField(max_length=1000)
    state = models.CharField(max_length=8, choices=State.choices, default=State.OPEN)
    answer = models.TextField(blank=True, max_length=1000)
    opened_at = models.DateTimeField(default=timezone.now, editable=False)
    answered_at = models.DateTimeField(null=True, editable=False)
    answered_by = models.ForeignKey(
        "staff.User", null=True, on_delete=models.PROTECT, related_name="+", editable=False
    )

    class Meta:
        ordering = ["-pk"]
        permissions = [("answer_dispute", "Can answer disputes")]

    def __str__(self) -> str:
        return self.text[:60]
