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
    decision_reason = models.CharField(max_length=200, blank=True, editable=False)
    about = models.TextField(
        blank=True, max_length=1000, help_text="How this person wants to bring customers."
    )
    website = models.CharField(max_length=200, blank=True)
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
