from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils import timezone

from customers.models.people import Customer


class Segment(models.Model):
    """Customers who meet a condition, found anew whenever somebody asks.

    `definition` is the written form of `customers.engine.segments`.
    """

    name = models.CharField(max_length=80, unique=True)
    description = models.CharField(
        max_length=200, blank=True, help_text="What it is for, in a few words."
    )
    definition = models.JSONField()
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    updated_at = models.DateTimeField(auto_now=True)
    changed_by = models.ForeignKey(
        "staff.User", null=True, on_delete=models.PROTECT, related_name="+", editable=False
    )

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class RfmScore(models.Model):
    """How recently, how often and for how much a customer bought, each from 1 to 5.

    5 is the best fifth of all who bought in the last year; who bought nothing has no score.
    """

    _STEPS = (MinValueValidator(1), MaxValueValidator(5))

    customer = models.OneToOneField(
        Customer, primary_key=True, on_delete=models.CASCADE, related_name="rfm"
    )
    recency = models.PositiveSmallIntegerField(validators=_STEPS)
    frequency = models.PositiveSmallIntegerField(validators=_STEPS)
    spend = models.PositiveSmallIntegerField("spend score", validators=_STEPS)
    last_on = models.DateField("last purchase")
    bills = models.PositiveIntegerField()
    net = models.DecimalField("spent", max_digits=16, decimal_places=2)
    scored_on = models.DateField()

    class Meta:
        verbose_name = "RFM score"
        indexes = [models.Index(fields=["recency", "frequency", "spend"], name="rfm_cell")]

    def __str__(self) -> str:
        return f"{self.recency}-{self.frequency}-{self.spend}"
