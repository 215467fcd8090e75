from django.db import models
from django.db.models import Q
from django.utils import timezone

from loyalty.models.ledger import Account
from loyalty.models.programs import Program


class JobRun(models.Model):
    """One periodic job on one day of the programme: who has it, how far it is, what it did.

    Each bite of work commits together with the place it reached (`position`), so that a run that
    was cut off goes on from there as soon as its lease is over.
    """

    class Job(models.TextChoices):
        ACTIVATE = "activate", "Make points usable"
        CANCEL = "cancel", "Give up points that waited too long"
        TIER_PERIODS = "tier_periods", "End tier periods"
        EXPIRE = "expire", "Expire points"
        TIER_REVIEW = "tier_review", "Review tiers"
        BIRTHDAYS = "birthdays", "Birthday awards"
        ANNIVERSARIES = "anniversaries", "Anniversary awards"
        NOTICES = "notices", "Tell of points that expire soon"

    class State(models.TextChoices):
        WAITING = "waiting", "Waiting"
        RUNNING = "running", "Running"
        DONE = "done", "Done"
        FAILED = "failed", "Failed"

    program = models.ForeignKey(Program, on_delete=models.PROTECT, related_name="+")
    job = models.CharField(max_length=13, choices=Job.choices)
    on = models.DateField("day", help_text="The programme's calendar day.")
    state = models.CharField(max_length=7, choices=State.choices, default=State.WAITING)
    done = models.PositiveBigIntegerField(default=0)
    total = models.PositiveBigIntegerField(default=0)
    position = models.BigIntegerField(default=0, editable=False)
    figures = models.JSONField(default=dict, help_text="What it did, in numbers.")
    error = models.TextField(blank=True)
    tries = models.PositiveSmallIntegerField(default=0)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    leased_until = models.DateTimeField(null=True, editable=False)

    class Meta:
        verbose_name = "nightly job"
        permissions = [("run_job", "Can run the nightly jobs now")]
        constraints = [
            models.UniqueConstraint(fields=["program", "job", "on"], name="job_once_a_day")
        ]
        indexes = [models.Index(fields=["on", "id"], name="job_day")]

    def __str__(self) -> str:
        return f"{self.get_job_display()}, {self.on}"

    @property
    def percent(self) -> int:
        """How far it is, 0 to 100."""
        if self.state == self.State.DONE:
            return 100
        return min(99, self.done * 100 // self.total) if self.total else 0


class ExpiryNotice(models.Model):
    """That a customer was told of points ending on a day, at one distance before it."""

    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="expiry_notices")
    last_day = models.DateField()
    days_before = models.PositiveSmallIntegerField()
    points = models.BigIntegerField()
    told_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["account", "last_day", "days_before"], name="expiry_notice_once"
            ),
            models.CheckConstraint(condition=Q(points__gt=0), name="expiry_notice_positive"),
        ]

    def __str__(self) -> str:
        return f"{self.points} until {self.last_day}"
