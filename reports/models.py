from django.db import models
from django.db.models import Q
from django.utils import timezone

from affiliates.models import Affiliate
from customers.models import Customer, Store


class Kind(models.TextChoices):
    """What is rolled up by day; each kind has tables and a local day of its own."""

    SALES = "sales", "Sales"
    POINTS = "points", "Points"
    MEMBERS = "members", "New members"
    COMMISSION = "commission", "Affiliates"
    MESSAGES = "messages", "Messages"


class DirtyDay(models.Model):
    """A day whose rollups of one kind no longer show what happened."""

    kind = models.CharField(max_length=10, choices=Kind.choices)
    day = models.DateField()
    marked_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["kind", "day"], name="dirty_day_once")]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} on {self.day}"


class SalesDay(models.Model):
    """What a store sold on one of its days. `net` is after returns."""

    day = models.DateField()
    store = models.ForeignKey(Store, on_delete=models.CASCADE, related_name="+")
    bills = models.PositiveIntegerField(default=0)
    returns = models.PositiveIntegerField(default=0)
    net = models.DecimalField(max_digits=16, decimal_places=2, default=0)
    lines = models.PositiveIntegerField(default=0)
    customers = models.PositiveIntegerField(
        default=0, help_text="Different known customers who bought."
    )

    class Meta:
        verbose_name = "sales of a day"
        verbose_name_plural = "sales by day"
        constraints = [models.UniqueConstraint(fields=["day", "store"], name="sales_day_once")]
        permissions = [("view_dashboard", "Can see the dashboard's figures")]

    def __str__(self) -> str:
        return f"{self.store_id} on {self.day}"


class MemberDay(models.Model):
    """What one known customer bought at a store on a day; who was active is counted from it."""

    day = models.DateField()
    store = models.ForeignKey(Store, on_delete=models.CASCADE, related_name="+")
    customer = models.ForeignKey(Customer, on_delete=models.CASCADE, related_name="+")
    bills = models.PositiveIntegerField()
    net = models.DecimalField(max_digits=16, decimal_places=2)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["day", "store", "customer"], name="member_day_once")
        ]

    def __str__(self) -> str:
        return f"{self.customer_id} on {self.day}"


class RegistrationDay(models.Model):
    """How many customers registered on a day."""

    day = models.DateField(unique=True)
    customers = models.PositiveIntegerField()

    def __str__(self) -> str:
        return f"{self.customers} on {self.day}"


class PointsDay(models.Model):
    """Points that moved on a day, signed as in the ledger; no store: not caused by a bill."""

    day = models.DateField()
    store = models.ForeignKey(Store, null=True, on_delete=models.CASCADE, related_name="+")
    awarded = models.BigIntegerField(default=0)
    redeemed = models.BigIntegerField(default=0)
    expired = models.BigIntegerField(default=0)
    clawed_back = models.BigIntegerField(default=0)
    reversed = models.BigIntegerField(default=0)
    adjusted = models.BigIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["day", "store"], name="points_day_once"),
            models.UniqueConstraint(
                fields=["day"], condition=Q(store__isnull=True), name="points_day_storeless_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.store_id} on {self.day}"


class AffiliateDay(models.Model):
    """How far an affiliate reached on a day, what was sold for it, and what that earned.

    `conversions` are bills that earned and stayed; `sales` is after returns, each on its own day;
    `commission` is after corrections.
    """

    day = models.DateField()
    affiliate = models.ForeignKey(Affiliate, on_delete=models.CASCADE, related_name="+")
    shares = models.PositiveIntegerField(default=0)
    clicks = models.PositiveIntegerField(default=0)
    chats = models.PositiveIntegerField(default=0)
    conversions = models.PositiveIntegerField(default=0)
    sales = models.DecimalField(max_digits=16, decimal_places=2, default=0)
    commission = models.DecimalField(max_digits=16, decimal_places=2, default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["day", "affiliate"], name="affiliate_day_once")
        ]

    def __str__(self) -> str:
        return f"{self.affiliate_id} on {self.day}"


class TemplateDay(models.Model):
    """How far the messages written on a day have come; each figure includes the next ones."""

    day = models.DateField()
    template = models.CharField(max_length=512)
    queued = models.PositiveIntegerField(default=0)
    sent = models.PositiveIntegerField(default=0)
    delivered = models.PositiveIntegerField(default=0)
    read = models.PositiveIntegerField(default=0)
    failed = models.PositiveIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["day", "template"], name="template_day_once")
        ]

    def __str__(self) -> str:
        return f"{self.template} on {self.day}"
