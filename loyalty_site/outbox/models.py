from django.db import models
from django.utils import timezone


class Delivery(models.Model):
    """One event on its way to one handler."""

    class State(models.TextChoices):
        PENDING = "pending", "Waiting"
        DONE = "done", "Done"
        PARKED = "parked", "Needs attention"

    event_name = models.CharField("event", max_length=80)
    event_version = models.PositiveSmallIntegerField(default=1)
    payload = models.JSONField()
    handler = models.CharField(max_length=80)
    ordering_key = models.CharField(max_length=60, blank=True)
    state = models.CharField(max_length=8, choices=State.choices, default=State.PENDING)
    attempts = models.PositiveSmallIntegerField(default=0)
    available_at = models.DateTimeField(default=timezone.now)
    last_error = models.TextField(blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    done_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = "event delivery"
        verbose_name_plural = "event deliveries"
        permissions = [("retry_delivery", "Can send a parked event again")]
        indexes = [
            models.Index(
                fields=["handler", "id"],
                condition=models.Q(state="pending"),
                name="delivery_due",
            ),
            models.Index(
                fields=["handler", "ordering_key", "id"],
                condition=models.Q(state="pending"),
                name="delivery_order",
            ),
            models.Index(
                fields=["handler"], condition=models.Q(state="parked"), name="delivery_parked"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.event_name} → {self.handler}"


class PeriodClaim(models.Model):
    """The right to run one periodic job for one period; the first claimant has it."""

    job = models.CharField(max_length=80)
    period = models.CharField(max_length=40)
    claimed_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["job", "period"], name="one_claim_a_period")]

    def __str__(self) -> str:
        return f"{self.job} for {self.period}"
