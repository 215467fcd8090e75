from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from customers.models import Customer, Purchase
from loyalty.engine.expiry import NEVER
from loyalty.models.programs import Program
from loyalty.models.tiers import Tier


class Account(models.Model):
    """One customer's points in one programme; the figures are kept by the ledger alone."""

    program = models.ForeignKey(Program, on_delete=models.PROTECT, related_name="accounts")
    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="accounts")
    balance = models.BigIntegerField(default=0, editable=False)
    held = models.BigIntegerField(default=0, editable=False)
    pending = models.BigIntegerField(default=0, editable=False)
    debt = models.BigIntegerField(default=0, editable=False)
    version = models.BigIntegerField(
        default=0, editable=False, help_text="Number of the newest entry."
    )
    tier = models.ForeignKey(Tier, null=True, on_delete=models.PROTECT, related_name="+")
    tier_ends_on = models.DateField(
        null=True, editable=False, help_text="The last day before the tier has to be earned again."
    )
    floor_tier = models.ForeignKey(
        Tier,
        null=True,
        on_delete=models.PROTECT,
        related_name="+",
        editable=False,
        help_text="Given by hand: the customer never stands below it.",
    )
    floor_ends_on = models.DateField(
        null=True, editable=False, help_text="The last day of the given tier; empty: for good."
    )
    floor_reason = models.CharField(
        max_length=200, blank=True, default="", db_default="", editable=False
    )
    earned_tier = models.ForeignKey(
        Tier,
        null=True,
        on_delete=models.PROTECT,
        related_name="+",
        editable=False,
        help_text="The tier by own purchases; kept only while a given tier hides it.",
    )
    merged_into = models.ForeignKey(
        "self",
        null=True,
        on_delete=models.PROTECT,
        related_name="merged_accounts",
        editable=False,
        help_text="The account that took over everything of this one.",
    )
    opened_at = models.DateTimeField(default=timezone.now, editable=False)
    closed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = "points account"
        constraints = [
            models.UniqueConstraint(fields=["program", "customer"], name="one_account_each"),
            models.CheckConstraint(
                condition=Q(held__gte=0, debt__gte=0, pending__gte=0), name="account_parts_positive"
            ),
            models.CheckConstraint(
                condition=Q(balance__gte=F("held") - F("debt")), name="account_holds_covered"
            ),
        ]
        indexes = [
            models.Index(
                fields=["tier_ends_on", "id"],
                condition=Q(tier_ends_on__isnull=False),
                name="account_tier_ends",
            ),
            models.Index(
                fields=["floor_ends_on", "id"],
                condition=Q(floor_ends_on__isnull=False),
                name="account_floor_ends",
            ),
        ]
        permissions = [
            ("award_points", "Can award points"),
            ("redeem_points", "Can redeem points"),
            ("adjust_points", "Can adjust points"),
            ("reverse_points", "Can reverse an entry"),
        ]

    def __str__(self) -> str:
        return f"Account {self.pk}"

    @property
    def own_tier_id(self) -> int | None:
        """The tier by own purchases, whatever was given on top."""
        return self.earned_tier_id if self.floor_tier_id else self.tier_id

    @property
    def available(self) -> int:
        """Points that can be spent now."""
        return max(0, self.balance - self.held)


class PointsEntry(models.Model):
    """One line of the points ledger; written once, by the ledger, and never changed."""

    class Kind(models.TextChoices):
        AWARD = "award", "Earned"
        REDEEM = "redeem", "Redeemed"
        EXPIRE = "expire", "Expired"
        REVERSE = "reverse", "Reversed"
        CLAW_BACK = "claw_back", "Taken back"
        ADJUST = "adjust", "Adjusted"
        PEND = "pend", "On its way"
        ACTIVATE = "activate", "Became usable"
        CANCEL = "cancel", "Did not become usable"
        GIVE_BACK = "give_back", "Given back"
        TRANSFER = "transfer", "Transferred"
        RELEASE = "release", "Reservation ended"

    # Its other indexes cover what Django's own ones on foreign keys would; each costs every award.
    account = models.ForeignKey(
        Account, on_delete=models.PROTECT, related_name="entries", db_index=False
    )
    seq = models.BigIntegerField("number")
    kind = models.CharField(max_length=10, choices=Kind.choices)
    points = models.BigIntegerField()
    pending = models.BigIntegerField(
        default=0, db_default=0, help_text="What it added to the points on their way."
    )
    qualifying = models.BigIntegerField(
        default=0, db_default=0, help_text="What it counts for the next tier."
    )
    requested = models.BigIntegerField(help_text="What was asked for before any limit.")
    balance_after = models.BigIntegerField()
    reference = models.CharField(max_length=120)
    reverses = models.ForeignKey(
        "self",
        null=True,
        on_delete=models.PROTECT,
        related_name="reversals",
        db_index=False,
        verbose_name="follows from",
        help_text="The entry that this one undoes, completes or cancels.",
    )
    purchase = models.ForeignKey(
        Purchase,
        null=True,
        on_delete=models.PROTECT,
        related_name="points_entries",
        db_index=False,
    )
    reason = models.CharField(max_length=200)
    details = models.JSONField(default=dict, help_text="The arithmetic, with rule versions.")
    actor = models.ForeignKey(
        "staff.User", null=True, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    occurred_at = models.DateTimeField(help_text="When the cause happened.")
    recorded_at = models.DateTimeField(help_text="When the ledger took it up.")

    class Meta:
        verbose_name = "points entry"
        verbose_name_plural = "points entries"
        constraints = [
            models.UniqueConstraint(fields=["account", "seq"], name="entry_numbered"),
            models.UniqueConstraint(fields=["account", "reference"], name="entry_reference_once"),
            # A caller's key stands for one call, whichever customer that was about.
            models.UniqueConstraint(
                fields=["reference"],
                condition=Q(reference__startswith="api:"),
                name="api_reference_once",
            ),
            models.UniqueConstraint(
                fields=["reverses"], condition=Q(kind="reverse"), name="entry_reversed_once"
            ),
            models.CheckConstraint(
                condition=Q(points__gt=-(2**53)) & Q(points__lt=2**53), name="entry_bounded"
            ),
        ]
        indexes = [
            models.Index(
                fields=["purchase"], condition=Q(purchase__isnull=False), name="entry_purchase"
            ),
            models.Index(
                fields=["reverses"], condition=Q(reverses__isnull=False), name="entry_reverses"
            ),
            models.Index(fields=["recorded_at"], name="entry_recorded"),
        ]

    def __str__(self) -> str:
        return f"{self.effect:+d} ({self.get_kind_display()})"

    @property
    def effect(self) -> int:
        """What it gave or took, usable or on its way; what merely became usable counts once."""
        return self.points if self.kind == self.Kind.ACTIVATE else self.points + self.pending


class Lot(models.Model):
    """Points earned together that expire together; `remaining` falls as they are used.

    `origin` is the lot of a merged account that these points came from.
    """

    account = models.ForeignKey(
        Account, on_delete=models.PROTECT, related_name="lots", db_index=False
    )
    entry = models.ForeignKey(PointsEntry, on_delete=models.PROTECT, related_name="lots")
    origin = models.ForeignKey(
        "self", null=True, on_delete=models.PROTECT, related_name="moved_to", db_index=False
    )
    points = models.BigIntegerField()
    remaining = models.BigIntegerField()
    expires_on = models.DateField(default=NEVER, help_text="The last day on which it is usable.")
    slides = models.BooleanField(
        default=False, db_default=False, help_text="Activity moves the last day on."
    )

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(points__gt=0, remaining__gte=0, remaining__lte=F("points")),
                name="lot_within_bounds",
            ),
        ]
        indexes = [
            models.Index(
                fields=["account", "expires_on", "id"],
                condition=Q(remaining__gt=0),
                name="lot_open",
            ),
            models.Index(fields=["expires_on", "id"], condition=Q(remaining__gt=0), name="lot_due"),
            models.Index(fields=["origin"], condition=Q(origin__isnull=False), name="lot_origin"),
        ]

    def __str__(self) -> str:
        return f"{self.remaining} of {self.points}"


class Allocation(models.Model):
    """Which entry took how much from which lot; negative when it gave back. Append-only."""

    entry = models.ForeignKey(
        PointsEntry, on_delete=models.PROTECT, related_name="allocations", db_index=False
    )
    lot = models.ForeignKey(Lot, on_delete=models.PROTECT, related_name="allocations")
    points = models.BigIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["entry", "lot"], name="allocation_once"),
            models.CheckConstraint(condition=~Q(points=0), name="allocation_moves_points"),
        ]

    def __str__(self) -> str:
        return f"{self.points} of lot {self.lot_id}"


class PendingPoints(models.Model):
    """Points that were earned but cannot be used yet; they have no expiry date before that.

    They become usable on a day, or when an event arrives (`awaits`), unless `cancels_on` passes
    first. `remaining` falls as goods come back, or as they become usable or are cancelled.
    """

    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="pending_points")
    entry = models.OneToOneField(
        PointsEntry, on_delete=models.PROTECT, related_name="pending_points"
    )
    points = models.BigIntegerField()
    remaining = models.BigIntegerField()
    activates_on = models.DateField(null=True)
    awaits = models.CharField(max_length=40, blank=True)
    cancels_on = models.DateField(null=True)
    lifetime = models.JSONField(default=dict, help_text="How long they live once usable.")

    class Meta:
        verbose_name_plural = "pending points"
        constraints = [
            models.CheckConstraint(
                condition=Q(points__gt=0, remaining__gte=0, remaining__lte=F("points")),
                name="pending_within_bounds",
            ),
            models.CheckConstraint(
                condition=Q(activates_on__isnull=False) | ~Q(awaits=""),
                name="pending_ends_some_day",
            ),
        ]
        indexes = [
            models.Index(
                fields=["activates_on", "id"],
                condition=Q(remaining__gt=0, activates_on__isnull=False),
                name="pending_due",
            ),
            models.Index(
                fields=["cancels_on", "id"],
                condition=Q(remaining__gt=0, cancels_on__isnull=False),
                name="pending_given_up",
            ),
            models.Index(
                fields=["account", "awaits"],
                condition=Q(remaining__gt=0),
                name="pending_account",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.remaining} of {self.points} on their way"


class Hold(models.Model):
    """Points set aside for a redemption until it is completed, released or out of time."""

    class State(models.TextChoices):
        OPEN = "open", "Open"
        CAPTURED = "captured", "Used"
        RELEASED = "released", "Released"
        EXPIRED = "expired", "Ran out"

    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="holds")
    reference = models.CharField(max_length=120)
    points = models.BigIntegerField()
    state = models.CharField(max_length=8, choices=State.choices, default=State.OPEN)
    entry = models.OneToOneField(
        PointsEntry, null=True, on_delete=models.PROTECT, related_name="hold"
    )
    reason = models.CharField(max_length=200)
    actor = models.ForeignKey("staff.User", null=True, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["account", "reference"], name="hold_reference_once"),
            models.CheckConstraint(condition=Q(points__gt=0), name="hold_positive"),
            models.CheckConstraint(
                condition=Q(state="captured") | Q(entry__isnull=True), name="hold_entry_if_captured"
            ),
        ]
        indexes = [
            models.Index(fields=["expires_at"], condition=Q(state="open"), name="hold_open"),
            models.Index(fields=["account"], condition=Q(state="open"), name="hold_account"),
        ]

    def __str__(self) -> str:
        return f"{self.points} ({self.get_state_display()})"
