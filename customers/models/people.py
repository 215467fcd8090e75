import uuid

from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from customers.models.stores import Store
from loyalty_site.common.fields import EncryptedTextField
from loyalty_site.common.phones import mask_phone


class CustomerQuerySet(models.QuerySet["Customer"]):
    """Filters over customers."""

    def live(self) -> "CustomerQuerySet":
        """Customers who are people of their own: neither erased nor merged into another."""
        return self.exclude(status__in=(Customer.Status.ERASED, Customer.Status.MERGED))


class Customer(models.Model):
    """A shopper. Phone and e-mail are sealed; their indexes are keyed hashes for look-up.

    So are the day and month of birth and anniversary: whose day it is can be asked without
    opening every row.
    """

    class Status(models.TextChoices):
        ACTIVE = "active", "Active"
        BLOCKED = "blocked", "Blocked"
        ERASED = "erased", "Erased"
        MERGED = "merged", "Merged"

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    name = models.CharField(max_length=120)
    phone = EncryptedTextField(blank=True, help_text="With country code, like +919876543210.")
    phone_index = models.CharField(max_length=43, unique=True, null=True, editable=False)  # noqa: DJ001
    phone_tail_index = models.CharField(max_length=43, blank=True, editable=False)
    phone_reachable = models.BooleanField(
        "phone can receive messages",
        default=True,
        help_text="Off for numbers that cannot exist; they are never messaged.",
    )
    email = EncryptedTextField("e-mail", blank=True)
    email_index = models.CharField(max_length=43, unique=True, null=True, editable=False)  # noqa: DJ001
    birth_date = EncryptedTextField(blank=True, help_text="Year-month-day.")
    birthday_index = models.CharField(max_length=43, blank=True, default="", editable=False)
    anniversary_on = models.DateField("anniversary", null=True, blank=True)
    anniversary_index = models.CharField(max_length=43, blank=True, default="", editable=False)
    city = models.CharField(max_length=80, blank=True)
    language = models.CharField(max_length=8, default="en")
    home_store = models.ForeignKey(
        Store, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    status = models.CharField(max_length=8, choices=Status.choices, default=Status.ACTIVE)
    attributes = models.JSONField(default=dict, blank=True)
    merged_into = models.ForeignKey(
        "self",
        null=True,
        blank=True,
        editable=False,
        on_delete=models.PROTECT,
        related_name="merged_customers",
        help_text="The customer who took over everything of this one; never one merged himself.",
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    objects = CustomerQuerySet.as_manager()

    class Meta:
        permissions = [
            ("view_contact", "Can see phones and e-mail addresses in full"),
            ("record_consent", "Can record a customer's consent"),
        ]
        indexes = [
            models.Index(fields=["name"], name="customer_name"),
            models.Index(fields=["phone_tail_index"], name="customer_phone_tail"),
            models.Index(
                fields=["birthday_index", "id"],
                condition=~Q(birthday_index=""),
                name="customer_birthday",
            ),
            models.Index(
                fields=["anniversary_index", "id"],
                condition=~Q(anniversary_index=""),
                name="customer_anniversary",
            ),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(status="merged", merged_into__isnull=False)
                | (~Q(status="merged") & Q(merged_into__isnull=True)),
                name="merged_customer_names_another",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def masked_phone(self) -> str:
        """The phone as people see it who may not see contacts."""
        return mask_phone(self.phone)

    @property
    def masked_email(self) -> str:
        """The address as people see it who may not see contacts: `a…@example.com`."""
        local, at, domain = self.email.partition("@")
        return f"{local[:1]}…{at}{domain}" if at else ""

    @property
    def survivor_id(self) -> int:
        """Who this customer is today: himself, or the one he was merged into."""
        return self.merged_into_id or self.pk

    @property
    def first_name(self) -> str:
        """How messages address this customer."""
        return self.name.split(" ", 1)[0]


class Consent(models.Model):
    """One statement of a customer about one purpose on one channel; append-only."""

    class Channel(models.TextChoices):
        WHATSAPP = "whatsapp", "WhatsApp"
        EMAIL = "email", "E-mail"

    class Purpose(models.TextChoices):
        SERVICE = "service", "About my points and purchases"
        MARKETING = "marketing", "Offers and news"

    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="consents")
    channel = models.CharField(max_length=10, choices=Channel.choices)
    purpose = models.CharField(max_length=10, choices=Purpose.choices)
    granted = models.BooleanField()
    wording = models.TextField(blank=True, help_text="What the customer was shown.")
    source = models.CharField(max_length=40, help_text="Where it was said: till, portal, import.")
    recorded_at = models.DateTimeField(default=timezone.now)
    recorded_by = models.ForeignKey(
        "staff.User", null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )

    class Meta:
        get_latest_by = "id"
        indexes = [
            models.Index(fields=["customer", "channel", "purpose", "-id"], name="consent_latest")
        ]

    def __str__(self) -> str:
        verb = "allows" if self.granted else "refuses"
        return f"{verb} {self.get_purpose_display()} on {self.get_channel_display()}"


class SignInChallenge(models.Model):
    """A one-time code that was asked for at the portal.

    The code itself is stored nowhere: it is derived from `nonce` under a key outside the
    database. `contact_index` is the blind index of the phone or address that was typed.
    """

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    customer = models.ForeignKey(Customer, null=True, on_delete=models.CASCADE, related_name="+")
    contact_index = models.CharField(max_length=43)
    network = models.CharField(max_length=43, help_text="Keyed hash of the asking network.")
    nonce = models.BinaryField(max_length=16)
    compared = models.PositiveSmallIntegerField(default=0)
    created_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [
            models.Index(fields=["contact_index", "created_at"], name="challenge_contact"),
            models.Index(fields=["network", "created_at"], name="challenge_network"),
            models.Index(fields=["created_at"], name="challenge_created"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(expires_at__gt=F("created_at")), name="challenge_ends"
            )
        ]

    def __str__(self) -> str:
        return str(self.public_id)
