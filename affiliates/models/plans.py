from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Upper
from django.utils import timezone

from affiliates.models.people import Affiliate


class Plan(models.Model):
    """How affiliates are paid; what it says stands in its versions."""

    name = models.CharField(max_length=80, unique=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["name"]
        permissions = [("publish_plan", "Can publish affiliate plans")]

    def __str__(self) -> str:
        return self.name


class PlanVersion(models.Model):
    """What a plan pays for bills dated from `valid_from` until the next version; append-only.

    `rate` is a percentage of the net amount, or an amount of money a bill; `terms` holds what
    goes beyond it (see `affiliates.engine.plans`), and where nothing in it fits, `rate` pays.
    """

    class Kind(models.TextChoices):
        PERCENT = "percent", "Percent of the net amount"
        FIXED = "fixed", "Fixed amount a bill"

    class Basis(models.TextChoices):
        NET = "net", "Net of tax and discount"

    plan = models.ForeignKey(Plan, on_delete=models.PROTECT, related_name="versions")
    number = models.PositiveIntegerField()
    kind = models.CharField(max_length=7, choices=Kind.choices)
    rate = models.DecimalField(max_digits=12, decimal_places=4)
    basis = models.CharField(max_length=3, choices=Basis.choices, default=Basis.NET)
    hold_days = models.PositiveSmallIntegerField(
        default=30, help_text="Commission waits this long for returns before it is due."
    )
    window_days = models.PositiveSmallIntegerField(
        default=30,
        help_text="From a click or a claimed code to the first bill; later bills do not count.",
    )
    bind_days = models.PositiveSmallIntegerField(
        null=True,
        blank=True,
        default=0,
        help_text="How long a customer's later bills count for who brought the first one."
        " 0: not at all; empty: for ever.",
    )
    terms = models.JSONField(default=dict, blank=True)
    valid_from = models.DateTimeField(help_text="Bills made before this are not paid by it.")
    published_at = models.DateTimeField(default=timezone.now, editable=False)
    published_by = models.ForeignKey(
        "staff.User", null=True, on_delete=models.PROTECT, related_name="+", editable=False
    )

    class Meta:
        ordering = ["-number"]
        constraints = [
            models.UniqueConstraint(fields=["plan", "number"], name="plan_version_once"),
            models.CheckConstraint(condition=Q(rate__gt=0), name="plan_rate_positive"),
            models.CheckConstraint(
                condition=~Q(kind="percent") | Q(rate__lte=100), name="plan_percent_within_sale"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.plan} v{self.number}"


class Enrolment(models.Model):
    """An affiliate on a plan. The hold is pinned when the affiliate joins."""

    class State(models.TextChoices):
        ACTIVE = "active", "Active"
        ENDED = "ended", "Ended"

    affiliate = models.ForeignKey(Affiliate, on_delete=models.PROTECT, related_name="enrolments")
    plan = models.ForeignKey(Plan, on_delete=models.PROTECT, related_name="enrolments")
    state = models.CharField(max_length=6, choices=State.choices, default=State.ACTIVE)
    hold_days = models.PositiveSmallIntegerField(editable=False)
    overrides = models.JSONField(
        default=dict, blank=True, help_text="Terms of this affiliate that differ from the plan."
    )
    enrolled_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["affiliate", "plan"], name="enrolled_once"),
        ]

    def __str__(self) -> str:
        return f"{self.affiliate} on {self.plan}"


class Code(models.Model):
    """A code that a customer shows at the till; kept in capitals."""

    enrolment = models.ForeignKey(Enrolment, on_delete=models.PROTECT, related_name="codes")
    text = models.CharField("code", max_length=40, unique=True)
    valid_from = models.DateTimeField(
        default=timezone.now, help_text="Bills made before this do not count for it."
    )

    class Meta:
        ordering = ["text"]
        constraints = [
            models.CheckConstraint(condition=Q(text=Upper(F("text"))), name="code_in_capitals"),
        ]

    def __str__(self) -> str:
        return self.text
