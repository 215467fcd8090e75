from django.db import models
from django.utils import timezone

from customers.models import Customer
from loyalty_site.common.fields import EncryptedTextField


class Affiliate(models.Model):
    """Someone who brings customers to the shop and is paid for it; may be a customer."""

    class State(models.TextChoices):
        APPLIED = "applied", "Applied"
        INVITED = "invited", "Invited"
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
    joined_as = models.ForeignKey(
        Customer,
        null=True,
        editable=False,
        on_delete=models.PROTECT,
        related_name="+",
        help_text="The customer before two records of one person were merged.",
    )
    phone = EncryptedTextField(blank=True, help_text="With country code, like +919876543210.")
    email = EncryptedTextField("e-mail", blank=True)
    state = models.CharField(max_length=9, choices=State.choices, default=State.APPLIED)
    applied_at = models.DateTimeField(default=timezone.now, editable=False)
    decided_at = models.DateTimeField(null=True, editable=False)
    decided_by = models.ForeignKey(
        "staff.User", null=True, on_delete=models.PROTECT, related_name="+", editable=False
    )
    decision_reason = models.CharField(
        max_length=200, blank=True, editable=False, help_text="The affiliate reads it."
    )
    about = models.TextField(
        blank=True, max_length=1000, help_text="How this person wants to bring customers."
    )
    website = models.CharField(max_length=200, blank=True)
    agreed_at = models.DateTimeField("agreed to the terms", null=True, editable=False)
    agreed_to = models.TextField("terms agreed to", blank=True, editable=False)
    parent = models.ForeignKey(
        "self",
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="children",
        help_text="Who recruited this affiliate; may earn a share, one level up.",
    )

    class Meta:
        ordering = ["name", "id"]
        permissions = [("decide_affiliate", "Can approve, reject and suspend affiliates")]

    def __str__(self) -> str:
        return self.name

    @property
    def may_earn(self) -> bool:
        """Whether new bills earn; whoever was invited earns before they answer."""
        return self.state in (self.State.APPROVED, self.State.INVITED)


class AffiliateStep(models.Model):
    """What became of an affiliate, step by step; append-only."""

    affiliate = models.ForeignKey(Affiliate, on_delete=models.PROTECT, related_name="steps")
    state = models.CharField(max_length=9, choices=Affiliate.State.choices)
    reason = models.CharField(max_length=200, blank=True)
    taken_at = models.DateTimeField(default=timezone.now, editable=False)
    taken_by = models.ForeignKey(
        "staff.User",
        null=True,
        on_delete=models.PROTECT,
        related_name="+",
        editable=False,
        help_text="Empty: the affiliate.",
    )

    class Meta:
        ordering = ["-pk"]

    def __str__(self) -> str:
        return self.get_state_display()


class ApplicationPolicy(models.Model):
    """How one becomes an affiliate; one row."""

    is_open = models.BooleanField("people may apply", default=True)
    plan = models.ForeignKey(
        "affiliates.Plan",
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="+",
        verbose_name="plan of new affiliates",
        help_text="Whoever is approved joins it, unless another one is chosen.",
    )
    terms = models.TextField(
        max_length=4000,
        default=(
            "I recommend the shop honestly and do not pretend to speak for it. I do not pay for"
            " advertising with its name. Commission is taken back when goods come back."
        ),
        help_text="Whoever applies agrees to them; the wording is kept with the affiliate.",
    )
    again_after_days = models.PositiveSmallIntegerField(
        "days until one may apply again",
        default=30,
        help_text="After a rejection.",
    )
    most_applications = models.PositiveSmallIntegerField(
        "applications of one person", default=3, help_text="More are not taken."
    )

    class Meta:
        verbose_name = "rules for applications"
        verbose_name_plural = "rules for applications"

    def __str__(self) -> str:
        return "Rules for applications"
