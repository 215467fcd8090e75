import uuid
from datetime import timedelta
from typing import Self

from django.db import models
from django.db.models import Q
from django.utils import timezone

from customers.models import Consent, Customer, SignInChallenge
from loyalty_site.common.fields import EncryptedTextField
from loyalty_site.common.phones import mask_phone
from messaging.errors import FailureKind

WINDOW = timedelta(hours=24)
"""How long free-form answers are allowed after a customer wrote."""


class Channel(models.Model):
    """A WhatsApp number of the shop, with what is needed to speak for it."""

    class State(models.TextChoices):
        ACTIVE = "active", "Sending"
        STOPPED = "stopped", "Stopped"

    name = models.CharField(max_length=80, default="WhatsApp")
    base_url = models.URLField("address of the API")
    api_version = models.CharField("API version", max_length=10)
    phone_number_id = models.CharField("phone number ID", max_length=40, unique=True)
    business_account_id = models.CharField("business account ID", max_length=40)
    access_token = EncryptedTextField(blank=True)
    app_secret = EncryptedTextField(blank=True)
    verify_token = EncryptedTextField(blank=True)
    state = models.CharField(max_length=7, choices=State.choices, default=State.ACTIVE)
    stopped_because = models.CharField(max_length=300, blank=True, editable=False)
    stopped_at = models.DateTimeField(null=True, blank=True, editable=False)
    pace_per_second = models.PositiveSmallIntegerField(
        "messages a second",
        default=48,
        help_text="WhatsApp allows 80, sent and received together; 12 for a number that is"
        " also used in the phone app.",
    )
    settings_index = models.CharField(
        max_length=43, blank=True, editable=False, help_text="The settings it was made from."
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        verbose_name = "WhatsApp number"
        permissions = [("test_channel", "Can test the connection to WhatsApp")]
        constraints = [
            models.CheckConstraint(
                condition=Q(pace_per_second__gte=1, pace_per_second__lte=1000),
                name="channel_pace_possible",
            )
        ]

    def __str__(self) -> str:
        return self.name


class Pace(models.Model):
    """How fast a number may send now, and which worker is sending for it."""

    channel = models.OneToOneField(Channel, on_delete=models.CASCADE, related_name="pace")
    tokens = models.FloatField(default=0)
    refilled_at = models.DateTimeField(default=timezone.now)
    closed_until = models.DateTimeField(null=True)
    leased_by = models.UUIDField(null=True)
    leased_until = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"pace of {self.channel_id}"


class Template(models.Model):
    """A message text that WhatsApp has approved, in one language; kept by the sync."""

    APPROVED = "APPROVED"
    AUTHENTICATION = "AUTHENTICATION"
    NAMED = "NAMED"

    channel = models.ForeignKey(Channel, on_delete=models.CASCADE, related_name="templates")
    remote_id = models.CharField(max_length=40)
    name = models.CharField(max_length=512)
    language = models.CharField(max_length=20)
    category = models.CharField(max_length=40)
    status = models.CharField(max_length=40)
    status_at = models.DateTimeField(help_text="Since when we know this status.")
    parameter_format = models.CharField(max_length=20)
    components = models.JSONField(default=list)
    quality = models.CharField(max_length=20, blank=True)
    synced_at = models.DateTimeField()

    class Meta:
        ordering = ["name", "language"]
        permissions = [("sync_template", "Can fetch the templates from WhatsApp")]
        constraints = [
            models.UniqueConstraint(
                fields=["channel", "name", "language"], name="template_language_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.language})"

    @property
    def is_sendable(self) -> bool:
        """Whether WhatsApp takes it now."""
        return self.status == self.APPROVED

    @property
    def is_named(self) -> bool:
        """Whether its blanks go by name rather than by position."""
        return self.parameter_format.upper() == self.NAMED


class Lane(models.IntegerChoices):
    """Which messages overtake which; the lower number goes first."""

    OTP = 1, "Sign-in codes"
    REPLY = 2, "Replies"
    UTILITY = 3, "About points and purchases"
    MARKETING = 4, "Offers"


class Automation(models.Model):
    """An event that sends a message, and what fills the template's blanks.

    `bindings` maps the key of each blank (see `engine.templates`) to a field's name.
    """

    class Trigger(models.TextChoices):
        POINTS_EARNED = "points_earned", "Points were earned with a purchase"
        TIER_UP = "tier_up", "A customer reached a higher tier"
        WELCOME = "welcome", "A customer registered"
        SIGN_IN_CODE = "sign_in_code", "A sign-in code was asked for"
        COMMISSION_EARNED = "commission_earned", "An affiliate earned commission"
        AFFILIATE_APPROVED = "affiliate_approved", "An affiliate was approved"
        AFFILIATE_INVITED = "affiliate_invited", "Somebody was invited to be an affiliate"
        PAYOUT_SENT = "payout_sent", "Commission was paid out"

    trigger = models.CharField("when", max_length=40, choices=Trigger.choices, unique=True)
    template_name = models.CharField("template", max_length=512)
    bindings = models.JSONField(default=dict)
    lane = models.PositiveSmallIntegerField("priority", choices=Lane.choices, default=Lane.UTILITY)
    purpose = models.CharField(
        "needs consent for",
        max_length=10,
        choices=Consent.Purpose.choices,
        blank=True,
        help_text="Empty: the customer asked for this very message.",
    )
    is_enabled = models.BooleanField("send it", default=True)
    max_age_hours = models.PositiveIntegerField(
        "not for events older than (hours)",
        default=48,
        help_text="So that loading old bills does not send old news.",
    )

    class Meta:
        ordering = ["trigger"]

    def __str__(self) -> str:
        return self.get_trigger_display()


class MessageQuerySet(models.QuerySet["Message"]):
    """Filters over messages."""

    def queued(self) -> Self:
        """Messages that wait to be sent."""
        return self.filter(state=Message.State.QUEUED)


class Message(models.Model):
    """One message to one customer. `dedup_key` names its cause; a cause has one message.

    `parameters` and `body` hold a placeholder where a sign-in code stands; the code itself is
    worked out at the moment of sending.
    """

    class State(models.TextChoices):
        QUEUED = "queued", "Waiting"
        SENDING = "sending", "Being sent"
        ACCEPTED = "accepted", "Taken by WhatsApp"
        SENT = "sent", "Sent"
        DELIVERED = "delivered", "Delivered"
        READ = "read", "Read"
        FAILED = "failed", "Failed"
        UNCONFIRMED = "unconfirmed", "Not confirmed"
        SUPPRESSED = "suppressed", "Not sent"

    class Reason(models.TextChoices):
        NO_PHONE = "no_phone", "The customer has no phone number"
        IMPOSSIBLE_PHONE = "impossible_phone", "The phone number cannot exist"
        NOT_ACTIVE = "not_active", "The customer is blocked or erased"
        NO_CONSENT = "no_consent", "The customer does not allow these messages"
        TOO_OLD = "too_old", "The event was too old to tell"
        CODE_EXPIRED = "code_expired", "The sign-in code is used or has run out"
        AWAITS_TEMPLATE = "awaits_template", "WhatsApp does not allow this template now"
        BLANK_EMPTY = "blank_empty", "A blank of the template has nothing to fill it"
        NO_ANSWER = "no_answer", "The answer was lost: it may or may not have arrived"
        TRANSIENT = FailureKind.TRANSIENT.value, "WhatsApp could not be reached"
        THROTTLE_NUMBER = FailureKind.THROTTLE_NUMBER.value, "The number sends too fast"
        THROTTLE_PAIR = FailureKind.THROTTLE_PAIR.value, "Too many messages to this customer"
        THROTTLE_ACCOUNT = FailureKind.THROTTLE_ACCOUNT.value, "The account asks too often"
        LATER = FailureKind.LATER.value, "WhatsApp limits this customer just now"
        WINDOW_CLOSED = FailureKind.WINDOW_CLOSED.value, "The 24-hour window is closed"
        OPTED_OUT = FailureKind.OPTED_OUT.value, "The customer stopped them in WhatsApp"
        UNREACHABLE = FailureKind.UNREACHABLE.value, "This phone does not receive WhatsApp"
        TEMPLATE_BLOCKED = FailureKind.TEMPLATE_BLOCKED.value, "The template is paused"
        TEMPLATE_MISMATCH = (
            FailureKind.TEMPLATE_MISMATCH.value,
            "The values do not fit the template",
        )
        OUR_FAULT = FailureKind.OUR_FAULT.value, "WhatsApp did not understand our request"
        AUTHENTICATION = FailureKind.AUTHENTICATION.value, "WhatsApp refused our access token"
        ACCOUNT_STOPPED = FailureKind.ACCOUNT_STOPPED.value, "WhatsApp stopped the number"
        UNKNOWN = FailureKind.UNKNOWN.value, "WhatsApp refused for an unknown reason"

    dedup_key = models.CharField("cause", max_length=150, unique=True)
    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="messages")
    channel = models.ForeignKey(Channel, on_delete=models.PROTECT, related_name="messages")
    template_name = models.CharField("template", max_length=512)
    language = models.CharField(max_length=20, default="en")
    lane = models.PositiveSmallIntegerField("priority", choices=Lane.choices)
    purpose = models.CharField(max_length=10, choices=Consent.Purpose.choices, blank=True)
    challenge = models.ForeignKey(
        SignInChallenge, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    parameters = EncryptedTextField(blank=True, help_text="JSON: blank → text.")
    body = EncryptedTextField(blank=True, help_text="The text as it was sent.")
    state = models.CharField(max_length=11, choices=State.choices, default=State.QUEUED)
    reason = models.CharField(max_length=20, choices=Reason.choices, blank=True)
    is_conflicting = models.BooleanField(
        default=False, help_text="WhatsApp reported both arrival and failure."
    )
    tries = models.PositiveSmallIntegerField(default=0)
    claim = models.UUIDField(null=True, editable=False)
    available_at = models.DateTimeField("not before", default=timezone.now)
    expires_at = models.DateTimeField("not after")
    occurred_at = models.DateTimeField("cause happened at")
    created_at = models.DateTimeField(default=timezone.now)
    sent_at = models.DateTimeField(null=True)
    delivered_at = models.DateTimeField(null=True)
    read_at = models.DateTimeField(null=True)
    failed_at = models.DateTimeField(null=True)

    objects = MessageQuerySet.as_manager()

    class Meta:
        permissions = [("retry_message", "Can send a failed message again")]
        indexes = [
            models.Index(
                fields=["channel", "lane", "id"], condition=Q(state="queued"), name="message_due"
            ),
            models.Index(fields=["customer", "-id"], name="message_customer"),
            models.Index(fields=["claim"], condition=Q(state="sending"), name="message_claim"),
            models.Index(
                fields=["state", "id"],
                condition=Q(state__in=["sending", "failed", "unconfirmed"]),
                name="message_attention",
            ),
            models.Index(fields=["created_at"], name="message_created"),
        ]

    def __str__(self) -> str:
        return f"{self.template_name} #{self.pk}"

    @property
    def is_repeatable(self) -> bool:
        """Whether sending it again cannot reach the customer twice."""
        return self.state == self.State.FAILED and not self.is_conflicting


class Attempt(models.Model):
    """One call to WhatsApp for a message; `uuid` travels with it and comes back in statuses."""

    class State(models.TextChoices):
        CALLING = "calling", "Being sent"
        ACCEPTED = "accepted", "Taken by WhatsApp"
        REFUSED = "refused", "Refused"
        UNCONFIRMED = "unconfirmed", "Answer lost"

    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    message = models.ForeignKey(Message, on_delete=models.CASCADE, related_name="attempts")
    state = models.CharField(max_length=11, choices=State.choices, default=State.CALLING)
    claimed_at = models.DateTimeField()
    answered_at = models.DateTimeField(null=True)
    wamid = models.CharField("WhatsApp id", max_length=200, unique=True, null=True)  # noqa: DJ001
    failure = models.CharField(
        max_length=20, blank=True, choices=[(kind.value, kind.value) for kind in FailureKind]
    )
    error_code = models.IntegerField(null=True)
    error_details = models.CharField(max_length=500, blank=True)
    price_category = models.CharField(max_length=40, blank=True)
    price_type = models.CharField(max_length=40, blank=True)

    class Meta:
        ordering = ["id"]
        indexes = [
            models.Index(
                fields=["claimed_at"], condition=Q(state="calling"), name="attempt_calling"
            )
        ]

    def __str__(self) -> str:
        return str(self.uuid)


class WebhookBody(models.Model):
    """What WhatsApp posted, kept whole and first; `content_index` makes repeats harmless."""

    class State(models.TextChoices):
        PENDING = "pending", "Waiting"
        APPLIED = "applied", "Applied"
        PARKED = "parked", "Needs attention"

    content_index = models.CharField(max_length=43, unique=True, editable=False)
    raw = EncryptedTextField()
    state = models.CharField(max_length=7, choices=State.choices, default=State.PENDING)
    received_at = models.DateTimeField(default=timezone.now)
    applied_at = models.DateTimeField(null=True)
    items = models.PositiveIntegerField("understood", default=0)
    unknown_items = models.PositiveIntegerField("of unknown kind", default=0)
    faulty_items = models.PositiveIntegerField("unreadable", default=0)
    last_error = models.CharField(max_length=300, blank=True)

    class Meta:
        verbose_name = "webhook body"
        verbose_name_plural = "webhook bodies"
        permissions = [("replay_webhookbody", "Can apply a webhook body again")]
        indexes = [
            models.Index(fields=["id"], condition=Q(state="pending"), name="webhook_pending")
        ]

    def __str__(self) -> str:
        return f"body {self.pk}"


class QuarantinedItem(models.Model):
    """One unreadable item of a body; its neighbours were applied."""

    body = models.ForeignKey(WebhookBody, on_delete=models.CASCADE, related_name="quarantined")
    position = models.CharField(max_length=200)
    raw = EncryptedTextField()
    problem = models.CharField(max_length=200)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["body", "position"], name="quarantined_once")
        ]

    def __str__(self) -> str:
        return self.position


class StatusEvent(models.Model):
    """WhatsApp's report that a message reached a status; each (message, status) counts once."""

    attempt = models.ForeignKey(
        Attempt, null=True, on_delete=models.CASCADE, related_name="statuses"
    )
    body = models.ForeignKey(WebhookBody, on_delete=models.PROTECT, related_name="+")
    wamid = models.CharField("WhatsApp id", max_length=200)
    status = models.CharField(max_length=20)
    occurred_at = models.DateTimeField()
    error_code = models.IntegerField(null=True)
    error_details = models.CharField(max_length=500, blank=True)
    price_category = models.CharField(max_length=40, blank=True)
    price_type = models.CharField(max_length=40, blank=True)

    class Meta:
        ordering = ["occurred_at", "id"]
        constraints = [
            models.UniqueConstraint(fields=["wamid", "status"], name="status_counts_once")
        ]

    def __str__(self) -> str:
        return self.status


class InboundMessage(models.Model):
    """Something that a customer wrote or tapped; it opens the 24-hour window for answers."""

    channel = models.ForeignKey(Channel, on_delete=models.PROTECT, related_name="inbound")
    customer = models.ForeignKey(
        Customer, null=True, on_delete=models.PROTECT, related_name="inbound_messages"
    )
    body = models.ForeignKey(WebhookBody, on_delete=models.PROTECT, related_name="+")
    wamid = models.CharField("WhatsApp id", max_length=200, unique=True)
    phone = EncryptedTextField(blank=True, help_text="Empty for senders who hide their number.")
    sender_id = models.CharField("WhatsApp user id", max_length=150, blank=True)
    kind = models.CharField(max_length=20)
    text = EncryptedTextField(blank=True)
    content = EncryptedTextField(help_text="The whole item, as JSON.")
    occurred_at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["customer", "-occurred_at"], name="inbound_customer")]

    def __str__(self) -> str:
        return f"{self.kind} from {mask_phone(self.phone) or 'a hidden number'}"
