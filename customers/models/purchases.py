from django.db import models
from django.db.models import Q
from django.utils import timezone

from customers.models.people import Customer
from customers.models.stores import Product, Store


class Purchase(models.Model):
    """A bill, or the return of one, in its current state.

    Amounts are signed: a return's are negative. `net` is what the shop received for the goods,
    after discounts and without tax.
    """

    class Kind(models.TextChoices):
        SALE = "sale", "Sale"
        RETURN = "return", "Return"

    class Status(models.TextChoices):
        ACTIVE = "active", "Counts"
        CANCELLED = "cancelled", "Cancelled"

    class Standing(models.TextChoices):
        APPLIED = "applied", "Applied"
        NO_CUSTOMER = "no_customer", "Waits for its customer"
        NO_SALE = "no_sale", "Waits for its sale"
        NOBODY = "nobody", "Belongs to nobody"

    source = models.CharField(max_length=40, help_text="Which system sent it, like “logic:1”.")
    external_id = models.CharField(max_length=120, help_text="Its key in that system.")
    number = models.CharField("bill number", max_length=60)
    kind = models.CharField(max_length=6, choices=Kind.choices, default=Kind.SALE)
    status = models.CharField(max_length=9, choices=Status.choices, default=Status.ACTIVE)
    standing = models.CharField(max_length=11, choices=Standing.choices, default=Standing.APPLIED)
    store = models.ForeignKey(Store, on_delete=models.PROTECT, related_name="purchases")
    customer = models.ForeignKey(
        Customer, null=True, blank=True, on_delete=models.PROTECT, related_name="purchases"
    )
    sale = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.PROTECT, related_name="returns"
    )
    sale_external_id = models.CharField(max_length=120, blank=True)
    phone_index = models.CharField(
        max_length=43, blank=True, editable=False, help_text="Keyed hash of the phone on the bill."
    )
    claimed_at = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="When its customer was found afterwards."
    )
    occurred_at = models.DateTimeField()
    currency = models.CharField(max_length=3)
    gross = models.DecimalField(max_digits=14, decimal_places=2)
    discount = models.DecimalField(max_digits=14, decimal_places=2, default=0)
    tax = models.DecimalField(max_digits=14, decimal_places=2, default=0)
    net = models.DecimalField(max_digits=14, decimal_places=2)
    tenders = models.JSONField(default=list, blank=True)
    codes = models.JSONField(default=list, blank=True, help_text="Coupon and affiliate codes.")
    content_hash = models.CharField(max_length=43, editable=False)
    version = models.PositiveIntegerField(default=1, editable=False)
    recorded_at = models.DateTimeField(default=timezone.now, editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        permissions = [("claim_purchase", "Can give a waiting bill to its customer")]
        constraints = [
            models.UniqueConstraint(fields=["source", "external_id"], name="purchase_once"),
            models.CheckConstraint(
                condition=Q(kind="return") | Q(sale__isnull=True, sale_external_id=""),
                name="only_returns_name_a_sale",
            ),
        ]
        indexes = [
            models.Index(fields=["customer", "occurred_at"], name="purchase_customer"),
            models.Index(fields=["store", "occurred_at"], name="purchase_store"),
            models.Index(fields=["occurred_at"], name="purchase_occurred"),
            models.Index(fields=["number"], name="purchase_number"),
            models.Index(fields=["sale_external_id", "source"], name="purchase_named_sale"),
            models.Index(
                fields=["phone_index"],
                condition=Q(standing="no_customer") & ~Q(phone_index=""),
                name="purchase_waiting_phone",
            ),
        ]

    def __str__(self) -> str:
        return self.number

    @property
    def is_active(self) -> bool:
        """Whether the bill still stands."""
        return self.status == self.Status.ACTIVE


class PurchaseLine(models.Model):
    """One article on a bill; signed like its bill. `returns_line` names the sold line."""

    purchase = models.ForeignKey(Purchase, on_delete=models.CASCADE, related_name="lines")
    key = models.CharField(max_length=60, help_text="Its key within the bill.")
    product = models.ForeignKey(Product, on_delete=models.PROTECT, related_name="+")
    quantity = models.DecimalField(max_digits=12, decimal_places=3)
    gross = models.DecimalField(max_digits=14, decimal_places=2)
    discount = models.DecimalField(max_digits=14, decimal_places=2, default=0)
    tax = models.DecimalField(max_digits=14, decimal_places=2, default=0)
    net = models.DecimalField(max_digits=14, decimal_places=2)
    returns_key = models.CharField(max_length=60, blank=True, help_text="The sold line's key.")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["purchase", "key"], name="purchase_line_once")
        ]

    def __str__(self) -> str:
        return f"{self.quantity} of {self.product_id}"


class BillPolicy(models.Model):
    """What happens to bills whose customer nobody knows, and until when they can be claimed."""

    class Unknown(models.TextChoices):
        PARK = "park", "Let the bill wait until somebody claims it"
        CREATE = "create", "Register the phone on the bill as a new customer"
        IGNORE = "ignore", "Count the sale, but let nobody earn on it"

    unknown_customer = models.CharField(
        "bills without a known customer",
        max_length=6,
        choices=Unknown.choices,
        default=Unknown.PARK,
        help_text="A connection to an ERP may say otherwise for its own bills.",
    )
    claim_days = models.PositiveSmallIntegerField(
        "days to claim a bill",
        default=90,
        help_text="A bill older than this can only be claimed by staff.",
    )
    claim_tries = models.PositiveSmallIntegerField(
        "wrong claims a day",
        default=5,
        help_text="After so many wrong receipt numbers a customer waits until the next day.",
    )

    class Meta:
        verbose_name = "rules for bills without a customer"
        verbose_name_plural = "rules for bills without a customer"

    def __str__(self) -> str:
        return self.get_unknown_customer_display()


class ClaimAttempt(models.Model):
    """A try of a customer to claim a bill; wrong ones are counted to stop guessing."""

    customer = models.ForeignKey(Customer, on_delete=models.CASCADE, related_name="+")
    number = models.CharField(max_length=60)
    purchase = models.ForeignKey(Purchase, null=True, on_delete=models.CASCADE, related_name="+")
    tried_at = models.DateTimeField(default=timezone.now)

    class Meta:
        indexes = [models.Index(fields=["customer", "tried_at"], name="claim_tries")]

    def __str__(self) -> str:
        return self.number
