import uuid
from decimal import Decimal

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from customers.models import Purchase, Store
from loyalty.engine.codes import masked_code
from loyalty.engine.expiry import NEVER
from loyalty.models.ledger import Account, PointsEntry
from loyalty.models.programs import Program
from loyalty.models.tiers import Tier


class VoucherPool(models.Model):
    """Codes of one kind: brought by a file, or made here up to the number asked for."""

    class Source(models.TextChoices):
        GENERATED = "generated", "We make the codes"
        IMPORTED = "imported", "The codes come in a file"

    program = models.ForeignKey(Program, on_delete=models.PROTECT, related_name="voucher_pools")
    name = models.CharField(max_length=80)
    source = models.CharField(max_length=9, choices=Source.choices, default=Source.GENERATED)
    prefix = models.CharField(
        max_length=12,
        blank=True,
        help_text="Letters and digits at the front of each code, like TEA.",
    )
    length = models.PositiveSmallIntegerField(
        "random signs",
        default=11,
        validators=[MinValueValidator(8), MaxValueValidator(24)],
        help_text="A check character is added, which finds slips of the finger.",
    )
    wanted = models.PositiveIntegerField("codes asked for", default=0, editable=False)
    made = models.PositiveIntegerField("codes made", default=0, editable=False)
    refills = models.BooleanField(
        "make more when they run out",
        default=True,
        help_text="Only where we make the codes. Off: the reward ends with the last code.",
    )
    ends_on = models.DateField(
        "usable until",
        null=True,
        blank=True,
        help_text="The last day of every code of this pool; empty: as the reward says.",
    )
    created_by = models.ForeignKey(
        "staff.User", null=True, editable=False, on_delete=models.PROTECT, related_name="+"
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["program", "name"], name="pool_name_once"),
            models.CheckConstraint(condition=Q(made__lte=F("wanted")), name="pool_made_as_wanted"),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def is_generated(self) -> bool:
        """Whether we make the codes."""
        return self.source == self.Source.GENERATED


class Reward(models.Model):
    """What points buy: `points` for each `bundle` of units, under the terms below.

    `stock` is what is left; `taken` counts what is reserved or redeemed. Both are kept by the
    redemption services alone.
    """

    class Kind(models.TextChoices):
        VOUCHER = "voucher", "Voucher with a code"
        AMOUNT_OFF = "amount_off", "Money off the bill"
        PRODUCT = "product", "Product"
        EVENT = "event", "Event"
        DONATION = "donation", "Donation"

    program = models.ForeignKey(Program, on_delete=models.PROTECT, related_name="rewards")
    name = models.CharField(max_length=80, help_text="As customers read it.")
    kind = models.CharField(max_length=10, choices=Kind.choices)
    category = models.CharField(
        max_length=40, blank=True, help_text="Rewards of one category stand together."
    )
    summary = models.CharField("in one line", max_length=140, blank=True)
    details = models.TextField(
        blank=True, help_text="What it is, and how it is used. Shown on the reward's own page."
    )
    picture = models.FileField(upload_to="rewards/", blank=True, max_length=120)
    points = models.PositiveIntegerField(
        validators=[MinValueValidator(1)], help_text="What one bundle costs."
    )
    bundle = models.PositiveIntegerField(
        "units in a bundle",
        default=1,
        validators=[MinValueValidator(1)],
        help_text="Usually 1. With 2, one or two pieces cost the same.",
    )
    most_units = models.PositiveSmallIntegerField(
        "most at once", default=1, validators=[MinValueValidator(1), MaxValueValidator(100)]
    )
    amount = models.DecimalField(
        "worth",
        max_digits=12,
        decimal_places=4,
        null=True,
        blank=True,
        validators=[MinValueValidator(Decimal("0.0001"))],
        help_text="Money off: what the points above take off a bill. Voucher: what it is worth.",
    )
    least_points = models.PositiveIntegerField(
        default=0, help_text="Money off: fewer points are not taken."
    )
    most_points = models.PositiveIntegerField(
        null=True, blank=True, help_text="Money off: more points are not taken for one bill."
    )
    share_percent = models.DecimalField(
        "largest share of a bill, in percent",
        max_digits=5,
        decimal_places=2,
        default=Decimal(100),
        validators=[MinValueValidator(Decimal(1)), MaxValueValidator(Decimal(100))],
        help_text="Money off: how much of a bill points may pay.",
    )
    pool = models.ForeignKey(
        VoucherPool,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="rewards",
        help_text="Where a voucher's code comes from.",
    )
    valid_days = models.PositiveSmallIntegerField(
        "voucher usable for days",
        null=True,
        blank=True,
        help_text="Counted from the day after it was issued; empty: until it is used.",
    )
    is_offered = models.BooleanField("offered", default=True)
    starts_at = models.DateTimeField("offered from", null=True, blank=True)
    ends_at = models.DateTimeField("offered until", null=True, blank=True)
    stock = models.PositiveIntegerField(
        "left in stock", null=True, blank=True, help_text="Empty: as many as you like."
    )
    limit_total = models.PositiveIntegerField(
        "most for all customers together", null=True, blank=True, help_text="Empty: no limit."
    )
    limit_each = models.PositiveIntegerField(
        "most for one customer", null=True, blank=True, help_text="Empty: no limit."
    )
    taken = models.PositiveIntegerField("redeemed", default=0, editable=False)
    tiers = models.ManyToManyField(
        Tier, blank=True, related_name="+", verbose_name="only for these tiers"
    )
    segment_ids = models.JSONField(default=list, blank=True, editable=False)
    stores = models.ManyToManyField(
        Store, blank=True, related_name="+", verbose_name="only at these stores"
    )
    order = models.PositiveSmallIntegerField(default=100, help_text="Smaller comes first.")
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["order", "points", "id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(points__gt=0, bundle__gt=0, most_units__gt=0), name="reward_costs"
            ),
            models.CheckConstraint(
                condition=~Q(kind="amount_off") | Q(amount__isnull=False, amount__gt=0),
                name="money_off_has_amount",
            ),
            models.CheckConstraint(
                condition=~Q(kind="voucher") | Q(pool__isnull=False), name="voucher_has_pool"
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def pays_bills(self) -> bool:
        """Whether it takes money off a bill, in the number that the bill allows."""
        return self.kind == self.Kind.AMOUNT_OFF

    @property
    def has_voucher(self) -> bool:
        """Whether redeeming it hands out a code."""
        return self.kind == self.Kind.VOUCHER

    @property
    def is_handed_over(self) -> bool:
        """Whether staff at the till complete it, so that customers only reserve it."""
        return self.kind in {self.Kind.PRODUCT, self.Kind.AMOUNT_OFF}


class Redemption(models.Model):
    """Points of one customer for one reward, from the reservation to the end.

    `reference` is the caller's key, once per account. `taken` is what it takes of the stock and
    the limits. `entry` is the ledger's line; while reserved, a hold of the ledger keeps the points.
    """

    class State(models.TextChoices):
        RESERVED = "reserved", "Reserved"
        COMMITTED = "committed", "Redeemed"
        CANCELLED = "cancelled", "Cancelled"
        EXPIRED = "expired", "Ran out"

    class Channel(models.TextChoices):
        COUNTER = "counter", "Counter"
        PORTAL = "portal", "Portal"
        API = "api", "Till or shop"
        CHAT = "chat", "Chat"

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="redemptions")
    reward = models.ForeignKey(Reward, on_delete=models.PROTECT, related_name="redemptions")
    reference = models.CharField(max_length=120)
    state = models.CharField(max_length=9, choices=State.choices, default=State.RESERVED)
    channel = models.CharField(max_length=7, choices=Channel.choices)
    store = models.ForeignKey(
        Store, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    units = models.PositiveIntegerField(default=1)
    taken = models.PositiveIntegerField(default=1)
    points = models.BigIntegerField()
    amount = models.DecimalField(
        "money off", max_digits=14, decimal_places=2, null=True, blank=True
    )
    details = models.JSONField(default=dict, help_text="The arithmetic.")
    expires_at = models.DateTimeField("reserved until")
    entry = models.OneToOneField(
        PointsEntry, null=True, on_delete=models.PROTECT, related_name="redemption"
    )
    purchase = models.ForeignKey(
        Purchase, null=True, blank=True, on_delete=models.PROTECT, related_name="redemptions"
    )
    bill_source = models.CharField(max_length=40, blank=True)
    bill_key = models.CharField(
        "bill",
        max_length=120,
        blank=True,
        help_text="The bill it was used on, as its till names it.",
    )
    created_by = models.ForeignKey(
        "staff.User", null=True, on_delete=models.PROTECT, related_name="+"
    )
    created_at = models.DateTimeField(default=timezone.now)
    committed_at = models.DateTimeField(null=True, blank=True)
    closed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["account", "reference"], name="redemption_reference_once"
            ),
            models.CheckConstraint(
                condition=Q(points__gt=0, units__gt=0, taken__gt=0), name="redemption_costs"
            ),
            models.CheckConstraint(
                condition=Q(state="committed", entry__isnull=False)
                | Q(state="cancelled")
                | Q(state__in=["reserved", "expired"], entry__isnull=True),
                name="redemption_entry_if_committed",
            ),
        ]
        indexes = [
            models.Index(
                fields=["expires_at"], condition=Q(state="reserved"), name="redemption_due"
            ),
            models.Index(fields=["account", "reward"], name="redemption_account"),
            models.Index(
                fields=["bill_key", "bill_source"],
                condition=~Q(bill_key=""),
                name="redemption_bill",
            ),
        ]
        permissions = [("cancel_redemption", "Can cancel a redemption and give points back")]

    def __str__(self) -> str:
        return f"{self.reward} ({self.get_state_display()})"

    @property
    def hold_reference(self) -> str:
        """The key of the ledger's hold."""
        return f"redemption:{self.public_id}"

    @property
    def is_reserved(self) -> bool:
        """Whether it waits for being completed."""
        return self.state == self.State.RESERVED


class RedemptionStep(models.Model):
    """A state that a redemption reached: who, when, why. Append-only."""

    redemption = models.ForeignKey(Redemption, on_delete=models.PROTECT, related_name="steps")
    state = models.CharField(max_length=9, choices=Redemption.State.choices)
    reason = models.CharField(max_length=200, blank=True)
    actor = models.ForeignKey("staff.User", null=True, on_delete=models.PROTECT, related_name="+")
    at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return self.get_state_display()


class Voucher(models.Model):
    """One code; a secret of whoever it was issued to. `key` is its form for look-up."""

    class State(models.TextChoices):
        AVAILABLE = "available", "Not given out"
        SET_ASIDE = "set_aside", "Set aside"
        ISSUED = "issued", "Can be used"
        USED = "used", "Used"
        EXPIRED = "expired", "Expired"
        CANCELLED = "cancelled", "Cancelled"

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    pool = models.ForeignKey(VoucherPool, on_delete=models.PROTECT, related_name="vouchers")
    code = models.CharField(max_length=60)
    key = models.CharField(max_length=60, unique=True)
    state = models.CharField(max_length=9, choices=State.choices, default=State.AVAILABLE)
    redemption = models.ForeignKey(
        Redemption, null=True, on_delete=models.PROTECT, related_name="vouchers"
    )
    account = models.ForeignKey(
        Account, null=True, on_delete=models.PROTECT, related_name="vouchers"
    )
    amount = models.DecimalField("worth", max_digits=14, decimal_places=2, null=True, blank=True)
    issued_at = models.DateTimeField(null=True, blank=True)
    expires_on = models.DateField("usable until", default=NEVER)
    used_at = models.DateTimeField(null=True, blank=True)
    used_store = models.ForeignKey(
        Store, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    used_bill = models.CharField(max_length=120, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(state="available", account__isnull=True, redemption__isnull=True)
                | Q(state="cancelled")
                | ~Q(state__in=["available", "cancelled"]) & Q(account__isnull=False),
                name="voucher_has_owner",
            ),
            models.CheckConstraint(
                condition=Q(state="used", used_at__isnull=False)
                | ~Q(state="used") & Q(used_at__isnull=True),
                name="voucher_used_at",
            ),
        ]
        indexes = [
            models.Index(
                fields=["pool", "id"], condition=Q(state="available"), name="voucher_free"
            ),
            models.Index(
                fields=["expires_on", "id"], condition=Q(state="issued"), name="voucher_due"
            ),
            models.Index(fields=["pool", "state"], name="voucher_pool_state"),
        ]
        permissions = [("use_voucher", "Can check and use vouchers")]

    def __str__(self) -> str:
        return self.masked

    @property
    def masked(self) -> str:
        """The code's last signs, for people and logs that are not its owner's."""
        return masked_code(self.code)


class VoucherStep(models.Model):
    """A state that a voucher reached after it left its pool: who, when, why. Append-only."""

    voucher = models.ForeignKey(Voucher, on_delete=models.PROTECT, related_name="steps")
    state = models.CharField(max_length=9, choices=Voucher.State.choices)
    reason = models.CharField(max_length=200, blank=True)
    actor = models.ForeignKey("staff.User", null=True, on_delete=models.PROTECT, related_name="+")
    at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return self.get_state_display()


class VoucherImport(models.Model):
    """A file of codes between its preview and the word of whoever brought it."""

    class State(models.TextChoices):
        PREVIEW = "preview", "Waits for your word"
        APPLIED = "applied", "Taken over"
        DROPPED = "dropped", "Dropped"

    pool = models.ForeignKey(VoucherPool, on_delete=models.PROTECT, related_name="imports")
    file_name = models.CharField(max_length=120)
    state = models.CharField(max_length=7, choices=State.choices, default=State.PREVIEW)
    codes = models.JSONField(default=list, help_text="New codes; emptied once they are vouchers.")
    new_count = models.PositiveIntegerField(default=0)
    known_count = models.PositiveIntegerField(default=0)
    repeated_count = models.PositiveIntegerField(default=0)
    faulty_count = models.PositiveIntegerField(default=0)
    problems = models.JSONField(default=list, help_text="The first rows that were left out.")
    created_by = models.ForeignKey("staff.User", on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)
    decided_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return self.file_name
