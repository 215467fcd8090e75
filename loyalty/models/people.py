from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from customers.models import Customer, Purchase
from loyalty.models.ledger import Account, PointsEntry
from loyalty.models.programs import Program


class PeopleTerms(models.Model):
    """What customers may do with each other: pass points on, share them, bring friends."""

    program = models.OneToOneField(
        Program, primary_key=True, on_delete=models.CASCADE, related_name="people_terms"
    )
    allows_transfers = models.BooleanField(
        "customers may send points",
        default=True,
        help_text="To another customer; the points keep their last day.",
    )
    transfer_minimum = models.PositiveIntegerField(
        "fewest points of a transfer", default=10, help_text="Smaller transfers are refused."
    )
    transfer_daily_points = models.PositiveIntegerField(
        "most points sent a day", default=2000, help_text="Of one customer, in all."
    )
    transfer_daily_count = models.PositiveSmallIntegerField(
        "most transfers a day", default=3, help_text="Of one customer."
    )
    household_size = models.PositiveSmallIntegerField(
        "most people in a household", default=6, help_text="Invited ones count."
    )
    allows_referrals = models.BooleanField(
        "customers may bring friends", default=True, help_text="With their own code or link."
    )
    referrer_points = models.PositiveIntegerField(
        "points for who brings a friend", default=100, help_text="0: none."
    )
    friend_points = models.PositiveIntegerField(
        "points for the friend", default=50, help_text="0: none."
    )
    referral_minimum_bill = models.DecimalField(
        "smallest first bill",
        max_digits=14,
        decimal_places=2,
        default="200.00",
        help_text="What the friend has to pay, tax included, and keep.",
    )
    referral_window_days = models.PositiveSmallIntegerField(
        "days for the first bill", default=60, help_text="Counted from the day the friend joined."
    )
    referral_return_days = models.PositiveSmallIntegerField(
        "days in which goods may come back",
        default=14,
        help_text="The points become usable the day after.",
    )
    referral_monthly_limit = models.PositiveSmallIntegerField(
        "friends a month",
        default=10,
        help_text="More friends are welcome, but bring their referrer no points.",
    )

    class Meta:
        verbose_name = "rules between customers"
        verbose_name_plural = "rules between customers"

    def __str__(self) -> str:
        return f"Rules between customers of {self.program}"


class PointsTransfer(models.Model):
    """Points that one customer sent to another; both ledgers hold an entry of its reference."""

    sender = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="transfers_out")
    receiver = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="transfers_in")
    points = models.BigIntegerField()
    note = models.CharField(max_length=120, blank=True, help_text="Shown to both.")
    reference = models.CharField(max_length=120)
    entry = models.OneToOneField(PointsEntry, on_delete=models.PROTECT, related_name="+")
    sent_at = models.DateTimeField(default=timezone.now)
    sent_by = models.ForeignKey("staff.User", null=True, on_delete=models.PROTECT, related_name="+")

    class Meta:
        permissions = [("transfer_points", "Can transfer points between customers")]
        constraints = [
            models.UniqueConstraint(fields=["sender", "reference"], name="transfer_once"),
            models.CheckConstraint(
                condition=Q(points__gt=0) & ~Q(sender=F("receiver")), name="transfer_moves"
            ),
        ]
        indexes = [models.Index(fields=["sender", "sent_at"], name="transfer_of_day")]

    def __str__(self) -> str:
        return f"{self.points} points"


class Household(models.Model):
    """People who share their points; each decides whether theirs may be used."""

    program = models.ForeignKey(Program, on_delete=models.PROTECT, related_name="households")
    name = models.CharField(max_length=60)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    def __str__(self) -> str:
        return self.name


class HouseholdMember(models.Model):
    """Somebody's place in a household, from the invitation on."""

    class State(models.TextChoices):
        INVITED = "invited", "Invited"
        ACTIVE = "active", "Member"
        DECLINED = "declined", "Declined"
        LEFT = "left", "Left"

    household = models.ForeignKey(Household, on_delete=models.PROTECT, related_name="members")
    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="households")
    state = models.CharField(max_length=8, choices=State.choices, default=State.INVITED)
    is_head = models.BooleanField("head", default=False, help_text="Invites and removes others.")
    shares_points = models.BooleanField(
        "shares points", default=True, help_text="Others of the household may redeem them."
    )
    invited_by = models.ForeignKey(Customer, null=True, on_delete=models.PROTECT, related_name="+")
    invited_at = models.DateTimeField(default=timezone.now)
    joined_at = models.DateTimeField(null=True)
    left_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["customer"], condition=Q(state="active"), name="one_household_each"
            ),
            models.UniqueConstraint(
                fields=["household", "customer"],
                condition=Q(state__in=["invited", "active"]),
                name="one_place_each",
            ),
        ]
        indexes = [models.Index(fields=["household", "state"], name="household_places")]

    def __str__(self) -> str:
        return f"{self.customer_id} ({self.get_state_display()})"


class ReferralCode(models.Model):
    """The code by which a customer brings friends."""

    customer = models.OneToOneField(
        Customer, primary_key=True, on_delete=models.PROTECT, related_name="referral_code"
    )
    code = models.CharField(max_length=12, unique=True)
    created_at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return self.code


class Referral(models.Model):
    """A friend whom a customer brought; both get points once the first bill is final."""

    class State(models.TextChoices):
        JOINED = "joined", "Joined, has not bought yet"
        BOUGHT = "bought", "Bought, goods may still come back"
        REWARDED = "rewarded", "Points given"
        LAPSED = "lapsed", "Did not buy in time"
        CANCELLED = "cancelled", "Goods were returned"
        REFUSED = "refused", "Not accepted"

    OPEN = (State.JOINED, State.BOUGHT)

    program = models.ForeignKey(Program, on_delete=models.PROTECT, related_name="referrals")
    referrer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="referrals_made")
    friend = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="referrals")
    code = models.CharField(max_length=12)
    state = models.CharField(max_length=9, choices=State.choices, default=State.JOINED)
    reason = models.CharField(max_length=200, blank=True, help_text="Why it stands so.")
    source = models.CharField(max_length=20, help_text="Where the code was given.")
    referrer_points = models.PositiveIntegerField(default=0)
    friend_points = models.PositiveIntegerField(default=0)
    minimum_bill = models.DecimalField(max_digits=14, decimal_places=2, default=0)
    return_days = models.PositiveSmallIntegerField(default=0)
    joined_at = models.DateTimeField()
    buy_until = models.DateField()
    purchase = models.ForeignKey(
        Purchase, null=True, on_delete=models.PROTECT, related_name="referrals"
    )
    due_on = models.DateField(null=True, help_text="The first day on which the points are usable.")
    referrer_entry = models.OneToOneField(
        PointsEntry, null=True, on_delete=models.PROTECT, related_name="+"
    )
    friend_entry = models.OneToOneField(
        PointsEntry, null=True, on_delete=models.PROTECT, related_name="+"
    )
    settled_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["friend"], condition=~Q(state="refused"), name="friend_brought_once"
            ),
        ]
        indexes = [
            models.Index(fields=["referrer", "-joined_at"], name="referral_referrer"),
            models.Index(
                fields=["buy_until"], condition=Q(state="joined"), name="referral_lapsing"
            ),
            models.Index(fields=["due_on"], condition=Q(state="bought"), name="referral_due"),
        ]

    def __str__(self) -> str:
        return f"{self.friend_id} by {self.referrer_id}"


class WaitingBill(Purchase):
    """A bill that nobody claimed yet."""

    class Meta:
        proxy = True
        verbose_name = "bill without a customer"
        verbose_name_plural = "bills without a customer"
        default_permissions = ("view",)
