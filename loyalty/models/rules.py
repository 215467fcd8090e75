from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from customers.models import Purchase
from loyalty.models.ledger import Account
from loyalty.models.programs import Program


class EarningRule(models.Model):
    """How points are earned; what it says stands in its versions.

    `draft` is the written form of what it may say next; it is not in force.
    """

    program = models.ForeignKey(Program, on_delete=models.PROTECT, related_name="rules")
    name = models.CharField(
        max_length=80, help_text="Shown to customers beside the points, like “Double on Tuesdays”."
    )
    draft = models.JSONField(null=True, editable=False)
    draft_saved_at = models.DateTimeField(null=True, editable=False)
    draft_saved_by = models.ForeignKey(
        "staff.User", null=True, on_delete=models.PROTECT, related_name="+", editable=False
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        permissions = [("publish_rule", "Can publish earning rules")]

    def __str__(self) -> str:
        return self.name


class EarningRuleVersion(models.Model):
    """What a rule says for bills dated from `valid_from` until `valid_until`; never edited.

    `definition` is the written form of `loyalty.engine.rules.Rule`.
    """

    rule = models.ForeignKey(EarningRule, on_delete=models.PROTECT, related_name="versions")
    number = models.PositiveIntegerField()
    definition = models.JSONField()
    valid_from = models.DateTimeField()
    valid_until = models.DateTimeField(null=True, blank=True)
    published_at = models.DateTimeField(default=timezone.now)
    published_by = models.ForeignKey(
        "staff.User", null=True, on_delete=models.PROTECT, related_name="+"
    )

    class Meta:
        ordering = ["-number"]
        constraints = [
            models.UniqueConstraint(fields=["rule", "number"], name="rule_version_once"),
        ]

    def __str__(self) -> str:
        return f"{self.rule} v{self.number}"


class RuleBudget(models.Model):
    """What a rule with a budget has given so far; locked by every posting that may raise it."""

    rule = models.OneToOneField(EarningRule, on_delete=models.PROTECT, related_name="budget")
    given = models.BigIntegerField(default=0)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(given__gte=0), name="rule_budget_positive"),
        ]

    def __str__(self) -> str:
        return f"{self.given} given by {self.rule_id}"


class RuleGrant(models.Model):
    """What a rule with limits or a lifetime of its own gave for one cause; append-only.

    `points` are signed: a return gives back what its sale took. `on` is the day of the bill, by
    which periods are counted.
    """

    rule = models.ForeignKey(EarningRule, on_delete=models.PROTECT, related_name="grants")
    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="rule_grants")
    purchase = models.ForeignKey(
        Purchase, null=True, on_delete=models.PROTECT, related_name="rule_grants"
    )
    reference = models.CharField(max_length=120)
    points = models.BigIntegerField()
    on = models.DateField()
    recorded_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["rule", "account", "reference"], name="grant_once"),
            models.CheckConstraint(condition=~Q(points=0), name="grant_moves_points"),
        ]
        indexes = [
            models.Index(fields=["account", "rule", "on"], name="grant_account"),
            models.Index(fields=["purchase"], name="grant_purchase"),
        ]

    def __str__(self) -> str:
        return f"{self.points:+d} by {self.rule_id}"


class SaleFacts(models.Model):
    """What rules had to know about a customer when a sale earned, kept for its returns and edits.

    They hold as long as the sale keeps its date; `facts` is the written form.
    """

    purchase = models.ForeignKey(Purchase, on_delete=models.PROTECT, related_name="sale_facts")
    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="+")
    occurred_at = models.DateTimeField()
    facts = models.JSONField()

    class Meta:
        verbose_name_plural = "sale facts"
        constraints = [
            models.UniqueConstraint(fields=["purchase", "account"], name="sale_facts_once"),
        ]

    def __str__(self) -> str:
        return f"Facts of {self.purchase_id}"


class Replay(models.Model):
    """A try of something over bills of the past, in slices; writes nothing but its own row.

    `progress` is what a stopped run goes on from.
    """

    class State(models.TextChoices):
        QUEUED = "queued", "Waits"
        RUNNING = "running", "Runs"
        DONE = "done", "Done"
        CANCELLED = "cancelled", "Stopped"
        FAILED = "failed", "Failed"

    since = models.DateTimeField()
    until = models.DateTimeField()
    state = models.CharField(max_length=9, choices=State.choices, default=State.QUEUED)
    total = models.PositiveIntegerField(default=0)
    done = models.PositiveIntegerField(default=0)
    progress = models.JSONField(default=dict, editable=False)
    result = models.JSONField(default=dict)
    error = models.CharField(max_length=300, blank=True)
    leased_until = models.DateTimeField(null=True, editable=False)
    attempts = models.PositiveSmallIntegerField(default=0, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    created_by = models.ForeignKey(
        "staff.User", null=True, on_delete=models.PROTECT, related_name="+"
    )
    finished_at = models.DateTimeField(null=True)

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return f"Replay {self.pk}"

    @property
    def is_open(self) -> bool:
        """Whether it waits or runs."""
        return self.state in (self.State.QUEUED, self.State.RUNNING)

    @property
    def percent(self) -> int:
        """How far it is, 0 to 100."""
        if self.state == self.State.DONE:
            return 100
        return min(99, self.done * 100 // self.total) if self.total else 0


class ReplayJob(Replay):
    """A try of rules over bills of the past.

    `rules` are drafts by rule: `[{"rule": id or null, "name": …, "definition": …}]`; none at all
    means the rules in force.
    """

    program = models.ForeignKey(Program, on_delete=models.PROTECT, related_name="replays")
    rules = models.JSONField(default=list)

    class Meta:
        verbose_name = "rule replay"
        constraints = [
            models.CheckConstraint(condition=Q(until__gt=F("since")), name="replay_has_days"),
        ]
        indexes = [
            models.Index(
                fields=["id"], condition=Q(state__in=["queued", "running"]), name="replay_open"
            )
        ]
