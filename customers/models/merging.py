from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from customers.models.people import Customer
from customers.models.purchases import Purchase


class CustomerMerge(models.Model):
    """Two records of one person became one; enough is kept to undo it for a while.

    `taken_over` names the contacts and profile fields that `kept` got from `merged`, contacts with
    their keyed hash; `repointed` are customers who had been merged into `merged` before.
    """

    kept = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="absorbed")
    merged = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="merges")
    taken_over = models.JSONField(default=dict)
    repointed = models.JSONField(default=list)
    details = models.JSONField(default=dict, help_text="What other parts need for undoing it.")
    reason = models.CharField(max_length=200)
    merged_at = models.DateTimeField(default=timezone.now)
    merged_by = models.ForeignKey(
        "staff.User", null=True, on_delete=models.PROTECT, related_name="+"
    )
    undone_at = models.DateTimeField(null=True)
    undone_by = models.ForeignKey(
        "staff.User", null=True, on_delete=models.PROTECT, related_name="+"
    )

    class Meta:
        permissions = [("merge_customers", "Can merge customers and undo that")]
        constraints = [
            models.UniqueConstraint(
                fields=["merged"], condition=Q(undone_at__isnull=True), name="merged_once"
            ),
            models.CheckConstraint(condition=~Q(kept=F("merged")), name="merged_into_another"),
        ]

    def __str__(self) -> str:
        return f"{self.merged} into {self.kept}"


class MergedPurchase(models.Model):
    """A bill that moved with a merge."""

    merge = models.ForeignKey(CustomerMerge, on_delete=models.CASCADE, related_name="moved")
    purchase = models.ForeignKey(Purchase, on_delete=models.PROTECT, related_name="+")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["merge", "purchase"], name="purchase_moved_once")
        ]

    def __str__(self) -> str:
        return f"{self.purchase_id} with {self.merge_id}"
