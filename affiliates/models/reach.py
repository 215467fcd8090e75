import secrets

from django.db import models
from django.db.models import Q
from django.utils import timezone

from affiliates.models.plans import Enrolment


def new_click_id() -> str:
    """A name for a click that nobody can guess: “clk_” and 22 signs."""
    return f"clk_{secrets.token_urlsafe(16)}"


class Target(models.Model):
    """Where links may lead: a page of this shop, or a host that the shop has allowed."""

    name = models.CharField(max_length=80)
    address = models.CharField(
        max_length=300, unique=True, help_text="Links lead here and to pages below it."
    )
    is_default = models.BooleanField(default=False, help_text="New links lead here.")
    is_active = models.BooleanField(default=True)

    class Meta:
        verbose_name = "place links lead to"
        verbose_name_plural = "places links lead to"
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(
                fields=["is_default"], condition=Q(is_default=True), name="one_default_target"
            ),
        ]

    def __str__(self) -> str:
        return self.name


class Link(models.Model):
    """A short address of an affiliate, `/r/<code>`; the path below its target is fixed here."""

    enrolment = models.ForeignKey(Enrolment, on_delete=models.PROTECT, related_name="links")
    code = models.CharField(max_length=40, unique=True, help_text="As in /r/<code>.")
    target = models.ForeignKey(Target, on_delete=models.PROTECT, related_name="links")
    path = models.CharField(max_length=300, blank=True, help_text="Below the target's address.")
    label = models.CharField(max_length=80, blank=True, help_text="Where it is used.")
    is_active = models.BooleanField(default=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["pk"]

    def __str__(self) -> str:
        return self.code


class Click(models.Model):
    """A visit by a link. Only people count; repeats within an hour name the first one.

    No address and no agent is stored, only a keyed hash of both.
    """

    class Kind(models.TextChoices):
        PERSON = "person", "Person"
        REPEAT = "repeat", "Again within the hour"
        PREVIEW = "preview", "Preview of a chat or network"
        BOT = "bot", "Robot"
        PREFETCH = "prefetch", "Loaded ahead"
        HEAD = "head", "Only asked for"

    public_id = models.CharField(max_length=40, unique=True, default=new_click_id)
    link = models.ForeignKey(Link, on_delete=models.PROTECT, related_name="clicks")
    kind = models.CharField(max_length=8, choices=Kind.choices)
    first = models.ForeignKey("self", null=True, on_delete=models.PROTECT, related_name="repeats")
    visitor_hash = models.CharField(max_length=43)
    sub_id = models.CharField(max_length=80, blank=True)
    utm = models.JSONField(default=dict, blank=True)
    referrer_host = models.CharField(max_length=120, blank=True)
    paid_parameters = models.JSONField(
        default=list, blank=True, help_text="Signs of a paid advertisement, like gclid."
    )
    clicked_at = models.DateTimeField()
    recorded_at = models.DateTimeField(default=timezone.now)

    class Meta:
        indexes = [
            models.Index(
                fields=["link", "visitor_hash", "clicked_at"],
                condition=Q(kind="person"),
                name="click_of_visitor",
            ),
            models.Index(fields=["link", "clicked_at"], name="click_link"),
            models.Index(fields=["clicked_at"], name="click_at"),
        ]

    def __str__(self) -> str:
        return self.public_id


class ReachDay(models.Model):
    """What happened to a link on a day of the shop, by kind; `share` counts shares offered."""

    class Kind(models.TextChoices):
        PERSON = "person", "Clicks"
        REPEAT = "repeat", "Repeats"
        PREVIEW = "preview", "Previews"
        BOT = "bot", "Robots"
        PREFETCH = "prefetch", "Loaded ahead"
        HEAD = "head", "Only asked for"
        SHARE = "share", "Shares"

    link = models.ForeignKey(Link, on_delete=models.PROTECT, related_name="days")
    day = models.DateField()
    kind = models.CharField(max_length=8, choices=Kind.choices)
    count = models.PositiveIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["link", "day", "kind"], name="reach_day_once"),
        ]
        indexes = [models.Index(fields=["day"], name="reach_day")]

    def __str__(self) -> str:
        return f"{self.count} {self.get_kind_display()}"


class Creative(models.Model):
    """A text that affiliates may use; `{link}` and `{code}` are filled in."""

    title = models.CharField(max_length=80)
    text = models.TextField(max_length=1000)
    is_active = models.BooleanField(default=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["title"]

    def __str__(self) -> str:
        return self.title
