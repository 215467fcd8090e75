from django.db import models
from django.db.models import Q
from django.utils import timezone

from affiliates.models.conversions import CommissionEntry
from affiliates.models.people import Affiliate
from loyalty_site.common.fields import EncryptedTextField


class PayoutPolicy(models.Model):
    """When and how commissions are paid; one row."""

    class Schedule(models.TextChoices):
        BY_HAND = "by_hand", "When staff make a batch"
        WEEKLY = "weekly", "Every Monday"
        MONTHLY = "monthly", "On the first of the month"

    minimum = models.DecimalField(
        max_digits=12, decimal_places=2, default=0, help_text="Less than this waits."
    )
    schedule = models.CharField(max_length=8, choices=Schedule.choices, default=Schedule.BY_HAND)
    points_per_unit = models.DecimalField(
        "points for one unit of money",
        max_digits=10,
        decimal_places=4,
        default=1,
        help_text="For affiliates who are paid in points.",
    )
    details_hold_hours = models.PositiveSmallIntegerField(
        default=72, help_text="After new bank details nothing is paid for this long."
    )
    withholds_tax = models.BooleanField("tax is withheld", default=False)
    country = models.CharField(max_length=2, default="IN", help_text="Whose tax rates hold.")

    class Meta:
        verbose_name = "rules for payouts"
        verbose_name_plural = "rules for payouts"

    def __str__(self) -> str:
        return "Rules for payouts"


class PayoutDetails(models.Model):
    """Where an affiliate's money goes; append-only, the newest row counts. Sealed at rest."""

    class Method(models.TextChoices):
        BANK = "bank", "Bank transfer"
        UPI = "upi", "UPI"
        MANUAL = "manual", "Cash or cheque"
        POINTS = "points", "Points"

    affiliate = models.ForeignKey(
        Affiliate, on_delete=models.PROTECT, related_name="payout_details"
    )
    method = models.CharField(max_length=6, choices=Method.choices)
    holder = models.CharField(max_length=120, blank=True)
    account = EncryptedTextField(blank=True, help_text="Account number or UPI address.")
    bank_code = models.CharField(max_length=20, blank=True, help_text="IFSC or the like.")
    account_index = models.CharField(max_length=43, blank=True, editable=False)
    tax_id = EncryptedTextField(blank=True, help_text="PAN.")
    tax_id_index = models.CharField(max_length=43, blank=True, editable=False)
    given_at = models.DateTimeField(default=timezone.now, editable=False)
    payable_from = models.DateTimeField(help_text="Nothing is paid to new details before.")
    given_by = models.ForeignKey(
        "staff.User", null=True, on_delete=models.PROTECT, related_name="+", editable=False
    )

    class Meta:
        verbose_name = "payout details"
        verbose_name_plural = "payout details"
        get_latest_by = "id"
        ordering = ["-pk"]
        permissions = [("reveal_payoutdetails", "Can see whole account numbers and tax ids")]
        indexes = [
            models.Index(
                fields=["account_index"], condition=~Q(account_index=""), name="payout_account"
            ),
        ]

    def __str__(self) -> str:
        return self.get_method_display()

    @property
    def masked_account(self) -> str:
        """What may be shown of the account: its last four signs, or how a UPI address begins."""
        if "@" in self.account:
            name, _at, bank = self.account.partition("@")
            return f"{name[:2]}…@{bank}"
        return f"…{self.account[-4:]}" if self.account else ""

    @property
    def masked_tax_id(self) -> str:
        """The tax id with its last four signs only."""
        return f"…{self.tax_id[-4:]}" if self.tax_id else ""


class WithholdingRate(models.Model):
    """A tax that is kept back from payouts, as dated data; append-only."""

    country = models.CharField(max_length=2)
    name = models.CharField(max_length=80)
    valid_from = models.DateField()
    yearly_threshold = models.DecimalField(max_digits=14, decimal_places=2)
    rate = models.DecimalField(max_digits=6, decimal_places=3, help_text="Percent.")
    rate_without_tax_id = models.DecimalField(max_digits=6, decimal_places=3, help_text="Percent.")
    year_begins_month = models.PositiveSmallIntegerField(default=4)
    source = models.CharField(max_length=200, blank=True)

    class Meta:
        ordering = ["country", "-valid_from"]
        constraints = [
            models.UniqueConstraint(
                fields=["country", "valid_from"], name="withholding_dated_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} from {self.valid_from}"


class PayoutBatch(models.Model):
    """Payouts that go out together: made by one person, approved by another."""

    class State(models.TextChoices):
        DRAFT = "draft", "Being made"
        SUBMITTED = "submitted", "Waits for approval"
        APPROVED = "approved", "Approved"
        SENT = "sent", "File handed over"
        PAID = "paid", "Paid"
        CANCELLED = "cancelled", "Cancelled"

    method = models.CharField(max_length=6, choices=PayoutDetails.Method.choices)
    state = models.CharField(max_length=9, choices=State.choices, default=State.DRAFT)
    currency = models.CharField(max_length=3)
    made_at = models.DateTimeField(default=timezone.now, editable=False)
    made_by = models.ForeignKey(
        "staff.User", null=True, on_delete=models.PROTECT, related_name="+", editable=False
    )
    approved_at = models.DateTimeField(null=True, editable=False)
    approved_by = models.ForeignKey(
        "staff.User", null=True, on_delete=models.PROTECT, related_name="+", editable=False
    )
    closed_at = models.DateTimeField(null=True, editable=False)
    reason = models.CharField(max_length=200, blank=True)
    file_name = models.CharField(max_length=120, blank=True, editable=False)
    file_hash = models.CharField(max_length=64, blank=True, editable=False)
    content = EncryptedTextField(blank=True, editable=False, help_text="The file as handed over.")

    class Meta:
        verbose_name_plural = "payout batches"
        ordering = ["-pk"]
        permissions = [
            ("make_payouts", "Can make payout batches"),
            ("approve_payouts", "Can approve payout batches"),
        ]

    def __str__(self) -> str:
        return f"Batch {self.pk}"


class Payout(models.Model):
    """What one affiliate gets in a batch: `gross` less `withheld` is `net`."""

    class State(models.TextChoices):
        OPEN = "open", "On its way"
        PAID = "paid", "Paid"
        FAILED = "failed", "Did not arrive"
        CANCELLED = "cancelled", "Cancelled"

    batch = models.ForeignKey(PayoutBatch, on_delete=models.PROTECT, related_name="payouts")
    affiliate = models.ForeignKey(Affiliate, on_delete=models.PROTECT, related_name="payouts")
    details = models.ForeignKey(PayoutDetails, on_delete=models.PROTECT, related_name="payouts")
    reference = models.CharField(max_length=40, unique=True, help_text="Its key in the file.")
    state = models.CharField(max_length=9, choices=State.choices, default=State.OPEN)
    gross = models.DecimalField(max_digits=14, decimal_places=2)
    withheld = models.DecimalField(max_digits=14, decimal_places=2, default=0)
    taxed = models.DecimalField(
        max_digits=14,
        decimal_places=2,
        default=0,
        help_text="The sum that tax was counted on; earlier payouts of the year may be in it.",
    )
    net = models.DecimalField(max_digits=14, decimal_places=2)
    points = models.PositiveIntegerField(null=True, help_text="When it is paid in points.")
    explanation = models.JSONField(default=dict)
    paid_at = models.DateTimeField(null=True)
    note = models.CharField(max_length=200, blank=True)

    class Meta:
        ordering = ["-pk"]
        constraints = [
            models.UniqueConstraint(fields=["batch", "affiliate"], name="payout_once_in_batch"),
            models.CheckConstraint(condition=Q(gross__gt=0), name="payout_pays_something"),
        ]

    def __str__(self) -> str:
        return self.reference


class PayoutLine(models.Model):
    """A commission in a payout. A commission is in one payout, because `entry` is unique."""

    entry = models.OneToOneField(CommissionEntry, on_delete=models.PROTECT, related_name="line")
    payout = models.ForeignKey(Payout, on_delete=models.CASCADE, related_name="lines")

    def __str__(self) -> str:
        return str(self.entry_id)


class PayoutStep(models.Model):
    """Who did what with a batch, and when; append-only."""

    class Kind(models.TextChoices):
        MADE = "made", "Made"
        SUBMITTED = "submitted", "Sent for approval"
        APPROVED = "approved", "Approved"
        SENT = "sent", "File made"
        FETCHED = "fetched", "File fetched again"
        PAID = "paid", "Marked as paid"
        RELEASED = "released", "Taken out, due again"
        CANCELLED = "cancelled", "Cancelled"

    batch = models.ForeignKey(PayoutBatch, on_delete=models.PROTECT, related_name="steps")
    kind = models.CharField(max_length=9, choices=Kind.choices)
    payouts = models.PositiveIntegerField(help_text="How many payouts it was about.")
    amount = models.DecimalField(max_digits=14, decimal_places=2, help_text="Their net sum.")
    reason = models.CharField(max_length=200, blank=True)
    at = models.DateTimeField(default=timezone.now)
    by = models.ForeignKey("staff.User", null=True, on_delete=models.PROTECT, related_name="+")

    class Meta:
        ordering = ["pk"]

    def __str__(self) -> str:
        return f"{self.batch}: {self.get_kind_display()}"
