from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils import timezone

from affiliates.models.conversions import CommissionEntry, Conversion
from affiliates.models.people import Affiliate
from affiliates.models.plans import Enrolment
from customers.models import Customer, Store


class RiskPolicy(models.Model):
    """When a commission is held for a person to look at; one row."""

    per_hour = models.PositiveSmallIntegerField(
        "bills within an hour",
        default=30,
        help_text="More than this from one affiliate are held, unless that is usual for them.",
    )
    per_day = models.PositiveSmallIntegerField(
        "bills within a day", default=100, help_text="Likewise."
    )
    usual_factor = models.PositiveSmallIntegerField(
        "times the usual",
        default=5,
        validators=[MinValueValidator(1)],
        help_text="A busy affiliate may bring this many times what they usually bring.",
    )
    strangers = models.PositiveSmallIntegerField(
        "strangers within a day",
        default=50,
        help_text="More bills than this with a code alone, from people whom the affiliate never"
        " reached before, look like a code that leaked.",
    )
    counter_share = models.PositiveSmallIntegerField(
        "share of a counter",
        default=30,
        help_text="In percent. Held when one affiliate is on more of the bills of one counter.",
    )
    counter_bills = models.PositiveSmallIntegerField(
        "bills at a counter",
        default=20,
        validators=[MinValueValidator(1)],
        help_text="The share is looked at from this many bills of the affiliate on.",
    )
    counter_days = models.PositiveSmallIntegerField(
        "days of a counter", default=7, help_text="How far back the share is counted."
    )
    late_returns = models.PositiveSmallIntegerField(
        "returns after payment",
        default=3,
        validators=[MinValueValidator(1)],
        help_text="When this many paid bills of an affiliate came back, new ones are held. Bills"
        " of the same buyer are held after the first.",
    )
    late_return_days = models.PositiveSmallIntegerField(
        "days of returns", default=180, help_text="How far back returns after payment count."
    )
    banned_referrers = models.TextField(
        blank=True, help_text="Sites that must not send customers here, one a line."
    )
    allows_paid_clicks = models.BooleanField(
        "paid advertisements are allowed",
        default=False,
        help_text="Off: clicks from paid advertisements are held.",
    )
    open_disputes = models.PositiveSmallIntegerField(
        "open questions",
        default=5,
        help_text="So many questions of one affiliate may wait for an answer.",
    )

    class Meta:
        verbose_name = "rules for fraud checks"
        verbose_name_plural = "rules for fraud checks"
        constraints = [
            models.CheckConstraint(
                condition=Q(counter_share__gt=0, counter_share__lte=100), name="risk_share_percent"
            ),
        ]

    def __str__(self) -> str:
        return "Rules for fraud checks"


class Flag(models.Model):
    """Why a bill's commission is held for a person to look at; `evidence` says what was seen.

    Kept once for each check and enrolment, so what a person released is not held again for the
    same reason.
    """

    conversion = models.ForeignKey(Conversion, on_delete=models.PROTECT, related_name="flags")
    enrolment = models.ForeignKey(Enrolment, on_delete=models.PROTECT, related_name="+")
    check_name = models.CharField(max_length=40)
    evidence = models.JSONField(default=dict)
    noted_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["conversion", "enrolment", "check_name"], name="flagged_once"
            ),
        ]
        indexes = [
            models.Index(fields=["enrolment", "check_name", "noted_at"], name="flag_enrolment"),
        ]

    def __str__(self) -> str:
        return self.check_name


class Screening(models.Model):
    """What the fraud checks saw of a conversion, so that later ones can be compared with it.

    Contacts and devices stand here as keyed hashes only.
    """

    conversion = models.OneToOneField(
        Conversion, on_delete=models.PROTECT, related_name="screening"
    )
    enrolment = models.ForeignKey(Enrolment, on_delete=models.PROTECT, related_name="+")
    affiliate = models.ForeignKey(Affiliate, on_delete=models.PROTECT, related_name="+")
    customer = models.ForeignKey(
        Customer, null=True, on_delete=models.PROTECT, related_name="+", help_text="The buyer."
    )
    store = models.ForeignKey(Store, on_delete=models.PROTECT, related_name="+")
    source = models.CharField(max_length=40)
    domain_index = models.CharField(max_length=43, blank=True)
    visitor_hash = models.CharField(max_length=43, blank=True)
    is_stranger = models.BooleanField(help_text="A code alone; never reached before.")
    occurred_at = models.DateTimeField()
    screened_at = models.DateTimeField(default=timezone.now)

    class Meta:
        indexes = [
            models.Index(fields=["affiliate", "occurred_at"], name="screening_affiliate"),
            models.Index(
                fields=["affiliate", "domain_index"],
                condition=~Q(domain_index=""),
                name="screening_domain",
            ),
            models.Index(
                fields=["affiliate", "visitor_hash"],
                condition=~Q(visitor_hash=""),
                name="screening_device",
            ),
        ]

    def __str__(self) -> str:
        return str(self.conversion_id)


class AffiliateDevice(models.Model):
    """A browser in which an affiliate used the portal, as the keyed hash that clicks have."""

    affiliate = models.ForeignKey(Affiliate, on_delete=models.CASCADE, related_name="devices")
    visitor_hash = models.CharField(max_length=43)
    seen_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["affiliate", "visitor_hash"], name="device_once"),
        ]

    def __str__(self) -> str:
        return f"Device of {self.affiliate_id}"


class HeldConversion(Conversion):
    """A bill whose commission waits for a person."""

    class Meta:
        proxy = True
        verbose_name = "held commission"
        verbose_name_plural = "held commissions"
        default_permissions = ("view",)


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
        constraints = [
            models.UniqueConstraint(
                fields=["entry"], condition=Q(state="open"), name="disputed_once_at_a_time"
            ),
        ]

    def __str__(self) -> str:
        return self.text[:60]
