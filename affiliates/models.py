from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Upper
from django.utils import timezone

from customers.models import Customer, Purchase
from loyalty_site.common.fields import EncryptedTextField


class Affiliate(models.Model):
    """Someone who brings customers to the shop and is paid for it; may be a customer."""

    class State(models.TextChoices):
        APPLIED = "applied", "Applied"
        APPROVED = "approved", "Approved"
        REJECTED = "rejected", "Rejected"
        SUSPENDED = "suspended", "Suspended"

    name = models.CharField(max_length=120)
    customer = models.OneToOneField(
        Customer,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="affiliate",
        help_text="Who signs in to the affiliate page, and whose own purchases earn nothing.",
    )
    phone = EncryptedTextField(blank=True, help_text="With country code, like +919876543210.")
    email = EncryptedTextField("e-mail", blank=True)
    state = models.CharField(max_length=9, choices=State.choices, default=State.APPLIED)
    applied_at = models.DateTimeField(default=timezone.now, editable=False)
    decided_at = models.DateTimeField(null=True, editable=False)
    decided_by = models.ForeignKey(
        "staff.User", null=True, on_delete=models.PROTECT, related_name="+", editable=False
    )

    class Meta:
        ordering = ["name", "id"]
        permissions = [("decide_affiliate", "Can approve, reject and suspend affiliates")]

    def __str__(self) -> str:
        return self.name


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

    `rate` is a percentage of the net amount, or an amount of money a bill.
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


class Conversion(models.Model):
    """Who brought a bill, decided once per order, with every candidate's reason.

    `decided_on` holds the facts of the bill that the decision rests on; it is taken again only
    when one of them changes. The plan version and the end of the hold are pinned here.
    """

    class State(models.TextChoices):
        TRACKED = "tracked", "Tracked"
        QUALIFIED = "qualified", "Earns"
        REJECTED = "rejected", "Nobody earns"
        CANCELLED = "cancelled", "Bill cancelled or returned"

    purchase = models.OneToOneField(Purchase, on_delete=models.PROTECT, related_name="conversion")
    enrolment = models.ForeignKey(
        Enrolment, null=True, on_delete=models.PROTECT, related_name="conversions"
    )
    plan_version = models.ForeignKey(
        PlanVersion, null=True, on_delete=models.PROTECT, related_name="+"
    )
    state = models.CharField(max_length=9, choices=State.choices, default=State.TRACKED)
    candidates = models.JSONField(default=list)
    decided_on = models.JSONField(default=dict)
    held_until = models.DateTimeField(null=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(state="rejected", enrolment__isnull=True)
                | Q(
                    enrolment__isnull=False,
                    plan_version__isnull=False,
                    held_until__isnull=False,
                ),
                name="conversion_has_its_winner",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.purchase} ({self.get_state_display()})"


class CommissionEntry(models.Model):
    """One line of the commission ledger; written once and never changed.

    A correction is a further line. Money is held until `held_until` and due from then on, so a
    correction falls due together with what it corrects.
    """

    class Kind(models.TextChoices):
        EARN = "earn", "Earned"
        CORRECT = "correct", "Corrected"

    conversion = models.ForeignKey(Conversion, on_delete=models.PROTECT, related_name="entries")
    enrolment = models.ForeignKey(Enrolment, on_delete=models.PROTECT, related_name="entries")
    affiliate = models.ForeignKey(Affiliate, on_delete=models.PROTECT, related_name="entries")
    kind = models.CharField(max_length=7, choices=Kind.choices)
    amount = models.DecimalField(max_digits=14, decimal_places=2)
    currency = models.CharField(max_length=3)
    reference = models.CharField(max_length=120, unique=True)
    explanation = models.JSONField(help_text="The arithmetic, with the plan version.")
    occurred_at = models.DateTimeField(help_text="When the cause happened.")
    held_until = models.DateTimeField()
    recorded_at = models.DateTimeField(default=timezone.now)

    class Meta:
        verbose_name = "commission"
        constraints = [
            models.CheckConstraint(condition=~Q(amount=0), name="commission_moves_money"),
        ]
        indexes = [
            models.Index(fields=["affiliate", "held_until"], name="commission_due"),
            models.Index(fields=["occurred_at"], name="commission_occurred"),
        ]

    def __str__(self) -> str:
        return f"{self.amount:+} {self.currency}"
