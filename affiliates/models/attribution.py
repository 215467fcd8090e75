from django.db import models
from django.db.models import Q
from django.utils import timezone

from affiliates.models.plans import Enrolment
from affiliates.models.reach import Click
from customers.models import Customer, Purchase


class AttributionPolicy(models.Model):
    """How it is decided who brought a bill; one row."""

    ladder = models.JSONField(default=list, blank=True, help_text="The ways, strongest first.")
    winner_share = models.PositiveSmallIntegerField(
        "share of the winner",
        default=100,
        help_text="In percent. What is left goes to the next affiliate who touched the bill.",
    )

    class Meta:
        verbose_name = "rules for who brought a bill"
        verbose_name_plural = "rules for who brought a bill"
        constraints = [
            models.CheckConstraint(
                condition=Q(winner_share__gt=0, winner_share__lte=100), name="winner_share_percent"
            ),
        ]

    def __str__(self) -> str:
        return "Who brought a bill"


class Touch(models.Model):
    """An affiliate reached somebody before a bill: a phone claimed, a click, a cookie.

    Who was touched is known by customer, by the keyed hash of a phone, or by the order itself
    (`order_source`, `order_key`). Touches decide only who binds a customer first.
    """

    class Way(models.TextChoices):
        CLAIM = "claim", "Phone claimed in a chat or at the counter"
        CLICK = "click", "Click named with the order"
        COOKIE = "cookie", "Click remembered by the browser"

    enrolment = models.ForeignKey(Enrolment, on_delete=models.PROTECT, related_name="touches")
    way = models.CharField(max_length=6, choices=Way.choices)
    customer = models.ForeignKey(
        Customer, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    phone_index = models.CharField(max_length=43, blank=True, editable=False)
    order_source = models.CharField(max_length=40, blank=True)
    order_key = models.CharField(max_length=120, blank=True)
    click = models.ForeignKey(Click, null=True, on_delete=models.PROTECT, related_name="touches")
    place = models.CharField(max_length=40, help_text="Where it was seen: whatsapp, counter, api.")
    touched_at = models.DateTimeField()
    recorded_at = models.DateTimeField(default=timezone.now, editable=False)
    recorded_by = models.ForeignKey(
        "staff.User", null=True, on_delete=models.PROTECT, related_name="+", editable=False
    )

    class Meta:
        verbose_name_plural = "touches"
        constraints = [
            models.CheckConstraint(
                condition=Q(customer__isnull=False) | ~Q(phone_index="") | ~Q(order_key=""),
                name="touch_of_somebody",
            ),
        ]
        indexes = [
            models.Index(fields=["customer", "touched_at"], name="touch_customer"),
            models.Index(
                fields=["phone_index", "touched_at"],
                condition=~Q(phone_index=""),
                name="touch_phone",
            ),
            models.Index(
                fields=["order_source", "order_key"],
                condition=~Q(order_key=""),
                name="touch_order",
            ),
            models.Index(fields=["touched_at"], condition=Q(way="claim"), name="touch_claimed_at"),
        ]

    def __str__(self) -> str:
        return self.get_way_display()


class Binding(models.Model):
    """Who brought a customer: later bills count for the same enrolment while it lives."""

    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="+")
    enrolment = models.ForeignKey(Enrolment, on_delete=models.PROTECT, related_name="bindings")
    purchase = models.ForeignKey(
        Purchase, null=True, on_delete=models.PROTECT, related_name="+", help_text="The first bill."
    )
    reason = models.CharField(max_length=200, blank=True)
    bound_at = models.DateTimeField()
    ends_at = models.DateTimeField(null=True, blank=True, help_text="Empty: for ever.")
    ended_at = models.DateTimeField(null=True, editable=False, help_text="When it was given up.")
    recorded_by = models.ForeignKey(
        "staff.User", null=True, on_delete=models.PROTECT, related_name="+", editable=False
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["customer"], condition=Q(ended_at__isnull=True), name="bound_to_one"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.customer_id} by {self.enrolment}"


class ManualAttribution(models.Model):
    """Staff say who brought a bill, or that nobody did, and why; the newest one counts."""

    purchase = models.ForeignKey(Purchase, on_delete=models.PROTECT, related_name="+")
    enrolment = models.ForeignKey(
        Enrolment, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    reason = models.CharField(max_length=200)
    decided_at = models.DateTimeField(default=timezone.now, editable=False)
    decided_by = models.ForeignKey(
        "staff.User", on_delete=models.PROTECT, related_name="+", editable=False
    )

    class Meta:
        ordering = ["-pk"]

    def __str__(self) -> str:
        return self.reason
