from datetime import date, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models

from loyalty.engine import tiers as engine
from loyalty.engine.expiry import ExpiryPolicy
from loyalty.errors import InvalidExpiryError

MOST_NOTICES = 5
MOST_MILESTONES = 50


def default_expiry() -> dict[str, Any]:
    """A year after they were earned."""
    return {"kind": "months", "length": 12}


def default_notices() -> list[int]:
    """A month, a week and a day before."""
    return [30, 7, 1]


def check_expiry(definition: Any) -> None:
    """The written form of a policy.

    Raises:
        ValidationError: it is not one.
    """
    try:
        ExpiryPolicy.from_definition(definition)
    except InvalidExpiryError as error:
        raise ValidationError(str(error)) from error


def check_notices(days: Any) -> None:
    """A few different numbers of days.

    Raises:
        ValidationError: they are not.
    """
    if (
        not isinstance(days, list)
        or len(days) > MOST_NOTICES
        or len(set(days)) != len(days)
        or not all(type(day) is int and 1 <= day <= 365 for day in days)
    ):
        raise ValidationError(f"Give up to {MOST_NOTICES} different numbers of days, 1 to 365.")


def check_milestones(points: Any) -> None:
    """A few different balances.

    Raises:
        ValidationError: they are not.
    """
    if (
        not isinstance(points, list)
        or len(points) > MOST_MILESTONES
        or len(set(points)) != len(points)
        or not all(type(mark) is int and 1 <= mark <= 10**9 for mark in points)
    ):
        raise ValidationError(f"Give up to {MOST_MILESTONES} different balances above zero.")


class Program(models.Model):
    """The shop's points programme: its words, its zone, how long points live, how tiers work."""

    class TierMeasure(models.TextChoices):
        SPEND = engine.Measure.SPEND, "what customers spend"
        POINTS = engine.Measure.POINTS, "points they earn"
        VISITS = engine.Measure.VISITS, "days on which they buy"

    class TierWindow(models.TextChoices):
        ROLLING = engine.WindowKind.ROLLING, "the last days, as many as set below"
        MONTH = engine.WindowKind.MONTH, "the calendar month"
        QUARTER = engine.WindowKind.QUARTER, "the calendar quarter"
        HALF_YEAR = engine.WindowKind.HALF_YEAR, "the calendar half-year"
        YEAR = engine.WindowKind.YEAR, "the calendar year"
        ANNIVERSARY = (
            engine.WindowKind.ANNIVERSARY,
            "each customer's own year since joining",
        )

    class TierDemotion(models.TextChoices):
        ONE_STEP = engine.Demotion.ONE_STEP, "one tier down"
        TO_EARNED = engine.Demotion.TO_EARNED, "down to the tier that was earned"
        NEVER = engine.Demotion.NEVER, "nobody ever goes down"

    class Shortfall(models.TextChoices):
        DEBT = "may_go_negative", "the balance may go below zero; the next points fill it"
        ZERO = "down_to_zero", "only what is there is taken"
        PENDING = "pending_only", "only points on their way are taken"

    name = models.CharField(max_length=80)
    zone = models.CharField("time zone", max_length=40, default="Asia/Kolkata")
    currency = models.CharField(max_length=3, default="INR")
    point_value = models.DecimalField(
        max_digits=10,
        decimal_places=4,
        default="0.25",
        help_text="What one point is worth to the customer, in the programme's currency.",
    )
    expiry = models.JSONField(
        "how long points live",
        default=default_expiry,
        validators=[check_expiry],
        help_text="Holds for points earned from now on; points that customers have stay as they "
        "are.",
    )
    tier_expiry = models.JSONField(
        default=dict,
        blank=True,
        editable=False,
        help_text="Policies of tiers that differ, by tier id: read with every award, hence here.",
    )
    notice_days = models.JSONField(
        "tell customers before",
        default=default_notices,
        blank=True,
        validators=[check_notices],
        help_text="So many days before points expire, like 30, 7, 1.",
    )
    milestones = models.JSONField(
        default=list,
        blank=True,
        validators=[check_milestones],
        help_text="Balances worth a message, like 500, 1000. Read with every award, hence here.",
    )
    tier_measure = models.CharField(
        "tiers are reached by",
        max_length=6,
        choices=TierMeasure.choices,
        default=TierMeasure.SPEND,
    )
    tier_window = models.CharField(
        "counted over",
        max_length=11,
        choices=TierWindow.choices,
        default=TierWindow.ROLLING,
    )
    tier_window_days = models.PositiveSmallIntegerField(
        "days",
        default=365,
        validators=[MinValueValidator(1), MaxValueValidator(3660)],
        help_text="For “the last days”: tiers look at this many days, and a tier lasts as long.",
    )
    tier_demotion = models.CharField(
        "who did not earn a tier again goes",
        max_length=9,
        choices=TierDemotion.choices,
        default=TierDemotion.ONE_STEP,
    )
    tier_grace_days = models.PositiveSmallIntegerField(
        "days of grace",
        default=30,
        validators=[MaxValueValidator(365)],
        help_text="A tier is kept so much longer, and what is bought then still counts for it.",
    )

    shortfall = models.CharField(
        "when goods come back whose points were spent",
        max_length=15,
        choices=Shortfall.choices,
        default=Shortfall.DEBT,
        help_text="Points that are still on their way are taken first in any case.",
    )
    grace_days = models.PositiveSmallIntegerField(
        "days for points that come back late",
        default=0,
        validators=[MaxValueValidator(365)],
        help_text="Spent points that come back after their last day live so long; 0: they end.",
    )

    def __str__(self) -> str:
        return self.name

    def day_of(self, at: datetime) -> date:
        """The programme's calendar day of an instant."""
        return at.astimezone(ZoneInfo(self.zone)).date()

    def start_of(self, day: date) -> datetime:
        """The instant at which a day of the programme begins."""
        return datetime.combine(day, time(), tzinfo=ZoneInfo(self.zone))

    @property
    def expiry_policy(self) -> ExpiryPolicy:
        """How long points live that are earned now."""
        return ExpiryPolicy.from_definition(self.expiry)

    def tier_policy(self, tier_id: int | None) -> ExpiryPolicy | None:
        """How long points of a tier live, where the programme's policy does not hold."""
        definition = self.tier_expiry.get(str(tier_id))
        return ExpiryPolicy.from_definition(definition) if definition else None

    @property
    def window(self) -> engine.TierWindow:
        """What tiers look at."""
        return engine.TierWindow(
            kind=engine.WindowKind(self.tier_window), days=self.tier_window_days
        )
