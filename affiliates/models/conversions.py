from django.db import models
from django.db.models import Q
from django.utils import timezone

from affiliates.models.people import Affiliate
from affiliates.models.plans import Enrolment, PlanVersion
from customers.models import Purchase


class Conversion(models.Model):
    """Who brought a bill, decided once per order, with every candidate's reason.

    `decided_on` holds the facts of the bill that the decision rests on; it is taken again only
    when one of them changes. The plan version and the end of the hold are pinned here. `shares`
    names further enrolments that the bill pays (a split, a parent), with what was pinned for
    them. `review` is apart from `state`: money of a bill under review never falls due.
    """

    class State(models.TextChoices):
        TRACKED = "tracked", "Tracked"
        QUALIFIED = "qualified", "Earns"
        REJECTED = "rejected", "Nobody earns"
        CANCELLED = "cancelled", "Bill cancelled or returned"

    class Review(models.TextChoices):
        NONE = "none", "Nothing to look at"
        OPEN = "open", "Waits for a person"
        RELEASED = "released", "Released"
        REFUSED = "refused", "Refused"

    purchase = models.OneToOneField(Purchase, on_delete=models.PROTECT, related_name="conversion")
    enrolment = models.ForeignKey(
        Enrolment, null=True, on_delete=models.PROTECT, related_name="conversions"
    )
    plan_version = models.ForeignKey(
        PlanVersion, null=True, on_delete=models.PROTECT, related_name="+"
    )
    rung = models.CharField(max_length=7, blank=True, help_text="How the winner came to the bill.")
    state = models.CharField(max_length=9, choices=State.choices, default=State.TRACKED)
    shares = models.JSONField(default=list)
    candidates = models.JSONField(default=list)
    decided_on = models.JSONField(default=dict)
    held_until = models.DateTimeField(null=True)
    review = models.CharField(max_length=8, choices=Review.choices, default=Review.NONE)
    review_reason = models.CharField(max_length=200, blank=True)
    reviewed_at = models.DateTimeField(null=True, editable=False)
    reviewed_by = models.ForeignKey(
        "staff.User", null=True, on_delete=models.PROTECT, related_name="+", editable=False
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        permissions = [
            ("review_conversion", "Can release or refuse held commissions"),
            ("attribute_conversion", "Can say who brought a bill"),
        ]
        indexes = [
            models.Index(fields=["id"], condition=Q(review="open"), name="conversion_in_review"),
        ]
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
    correction falls due together with what it corrects. Entries without a conversion are made
    by hand or for a goal. Whether it was paid out says its payout line.
    """

    class Kind(models.TextChoices):
        EARN = "earn", "Earned"
        CORRECT = "correct", "Corrected"
        TIER = "tier", "Higher rate reached"
        GOAL = "goal", "Goal reached"
        MANUAL = "manual", "Granted by hand"
        CLAWBACK = "clawback", "Taken back"

    conversion = models.ForeignKey(
        Conversion, null=True, on_delete=models.PROTECT, related_name="entries"
    )
    enrolment = models.ForeignKey(Enrolment, on_delete=models.PROTECT, related_name="entries")
    affiliate = models.ForeignKey(Affiliate, on_delete=models.PROTECT, related_name="entries")
    kind = models.CharField(max_length=8, choices=Kind.choices)
    amount = models.DecimalField(max_digits=14, decimal_places=2)
    currency = models.CharField(max_length=3)
    reference = models.CharField(max_length=120, unique=True)
    explanation = models.JSONField(help_text="The arithmetic, with the plan version.")
    occurred_at = models.DateTimeField(help_text="When the cause happened.")
    held_until = models.DateTimeField()
    recorded_at = models.DateTimeField(default=timezone.now)
    recorded_by = models.ForeignKey(
        "staff.User", null=True, on_delete=models.PROTECT, related_name="+", editable=False
    )

    class Meta:
        verbose_name = "commission"
        permissions = [("adjust_commission", "Can grant and take back commission by hand")]
        constraints = [
            models.CheckConstraint(condition=~Q(amount=0), name="commission_moves_money"),
        ]
        indexes = [
            models.Index(fields=["affiliate", "held_until"], name="commission_due"),
            models.Index(fields=["occurred_at"], name="commission_occurred"),
        ]

    def __str__(self) -> str:
        return f"{self.amount:+} {self.currency}"
