from django.db import models
from django.db.models import Q
from django.utils import timezone

from loyalty_site.common.fields import EncryptedTextField


class Entity(models.TextChoices):
    """What can be read from an ERP, in the order in which it must be."""

    ITEM = "item", "Items"
    CUSTOMER = "customer", "Customers"
    SALE = "sale", "Sales"
    RETURN = "return", "Returns"

    @property
    def position(self) -> int:
        """Its place in the order: bills name customers and items, returns name sales."""
        return list(type(self)).index(self)


class Connection(models.Model):
    """An ERP that we read, and how it stands."""

    class Kind(models.TextChoices):
        LOGIC = "logic", "LOGIC ERP"

    class Auth(models.TextChoices):
        BASIC = "basic", "User and password"
        BEARER = "bearer", "Bearer token"

    class State(models.TextChoices):
        ACTIVE = "active", "Active"
        NEEDS_ATTENTION = "needs_attention", "Needs attention"

    kind = models.CharField(max_length=10, choices=Kind.choices, default=Kind.LOGIC)
    name = models.CharField(max_length=80, unique=True)
    base_url = models.CharField(
        "address",
        max_length=300,
        help_text="With the company's path, like https://logicapi.example.in/MyShop.",
    )
    allows_plain_http = models.BooleanField(
        "may use plain http",
        default=False,
        help_text="Only for an ERP inside your own network: the password travels unsealed.",
    )
    auth = models.CharField("sign-in", max_length=8, choices=Auth.choices, default=Auth.BASIC)
    credentials = EncryptedTextField(
        help_text="user:password, or the token. Never shown again.", blank=True
    )
    zone = models.CharField(
        "time zone", max_length=40, default="Asia/Kolkata", help_text="Of dates without a zone."
    )
    state = models.CharField(
        max_length=16, choices=State.choices, default=State.ACTIVE, editable=False
    )
    attention_reason = models.CharField(
        "what needs attention", max_length=300, blank=True, editable=False
    )
    failures = models.PositiveIntegerField(
        "failures in a row", default=0, editable=False, help_text="Of whole runs."
    )
    open_until = models.DateTimeField(
        "rests until",
        null=True,
        editable=False,
        help_text="After several failures in a row we leave the ERP alone for a while.",
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(fields=["kind", "base_url"], name="erp_connected_once")
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def source(self) -> str:
        """How purchases name this connection."""
        return f"{self.kind}:{self.pk}"


class Mapping(models.Model):
    """How an ERP's fields become ours; what it says stands in its versions."""

    name = models.CharField(max_length=80)
    mapping_type = models.CharField(max_length=10, choices=Entity.choices)

    class Meta:
        ordering = ["name", "id"]
        constraints = [
            models.UniqueConstraint(fields=["name", "mapping_type"], name="erp_mapping_once")
        ]

    def __str__(self) -> str:
        return f"{self.name}: {self.get_mapping_type_display()}"


class MappingVersion(models.Model):
    """One wording of a mapping; never edited, so that every row can say how it was read."""

    mapping = models.ForeignKey(Mapping, on_delete=models.PROTECT, related_name="versions")
    number = models.PositiveIntegerField()
    mappings = models.JSONField(help_text="The list of fields as it was given.")
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    created_by = models.ForeignKey(
        "staff.User", null=True, on_delete=models.PROTECT, related_name="+"
    )

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["mapping", "number"], name="erp_mapping_version_once")
        ]

    def __str__(self) -> str:
        return f"{self.mapping} v{self.number}"


class Stream(models.Model):
    """One kind of document read from a connection, and how far we are.

    `token` rises with every lease; a worker whose token is older can commit nothing.
    """

    connection = models.ForeignKey(Connection, on_delete=models.PROTECT, related_name="streams")
    entity = models.CharField("reads", max_length=10, choices=Entity.choices)
    position = models.PositiveSmallIntegerField(editable=False)
    mapping_version = models.ForeignKey(
        MappingVersion, on_delete=models.PROTECT, related_name="streams"
    )
    policy = models.JSONField(
        default=dict,
        blank=True,
        help_text=(
            "unknown_customer: “create” or “park”. consent_wording: the words by which imported "
            "customers agreed to messages about their points; empty records no consent."
        ),
    )
    every_seconds = models.PositiveIntegerField("read every (seconds)", default=60)
    is_enabled = models.BooleanField("is on", default=True)
    cursor = models.JSONField(default=dict, editable=False)
    next_due_at = models.DateTimeField("next due", default=timezone.now)
    lease_until = models.DateTimeField(null=True, editable=False)
    token = models.PositiveBigIntegerField(default=0, editable=False)

    class Meta:
        ordering = ["connection", "position"]
        constraints = [
            models.UniqueConstraint(fields=["connection", "entity"], name="erp_stream_once")
        ]
        permissions = [("run_stream", "Can start a synchronisation")]

    def __str__(self) -> str:
        return f"{self.connection}: {self.get_entity_display()}"


class SyncRun(models.Model):
    """One reading of a stream up to its end, over as many pages and workers as it took."""

    class Kind(models.TextChoices):
        SYNC = "sync", "New and changed"
        FULL = "full", "Everything again"

    class State(models.TextChoices):
        WAITING = "waiting", "Waiting"
        RUNNING = "running", "Running"
        DONE = "done", "Done"
        FAILED = "failed", "Failed"

    ACTIVE = (State.WAITING, State.RUNNING)

    stream = models.ForeignKey(Stream, on_delete=models.PROTECT, related_name="runs")
    kind = models.CharField(max_length=4, choices=Kind.choices, default=Kind.SYNC)
    state = models.CharField(max_length=7, choices=State.choices, default=State.WAITING)
    requested_by = models.ForeignKey(
        "staff.User", null=True, on_delete=models.PROTECT, related_name="+"
    )
    fetched = models.PositiveIntegerField(default=0)
    applied = models.PositiveIntegerField(default=0)
    unchanged = models.PositiveIntegerField(default=0)
    rejected = models.PositiveIntegerField(default=0)
    expected = models.PositiveIntegerField(null=True, help_text="Where it is known beforehand.")
    lines = models.PositiveIntegerField("bill lines applied", default=0)
    pages = models.PositiveIntegerField(default=0)
    first_bill_at = models.DateTimeField(null=True, help_text="The bill that this run began with.")
    last_bill_at = models.DateTimeField(null=True, help_text="How far in time this run has come.")
    cursor_before = models.JSONField(default=dict)
    cursor_after = models.JSONField(default=dict)
    requested_at = models.DateTimeField(default=timezone.now)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    error = models.CharField(max_length=300, blank=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["stream"],
                condition=Q(state__in=["waiting", "running"]),
                name="erp_one_run_at_a_time",
            )
        ]

    def __str__(self) -> str:
        return f"{self.stream} #{self.pk}"


class RawRecord(models.Model):
    """A document as received, newest content only; `external_key` is its key in the ERP."""

    stream = models.ForeignKey(Stream, on_delete=models.PROTECT, related_name="records")
    external_key = models.CharField(max_length=120)
    content_hash = models.CharField(max_length=64)
    payload = EncryptedTextField()
    run = models.ForeignKey(SyncRun, null=True, on_delete=models.SET_NULL, related_name="+")
    applied_version = models.ForeignKey(
        MappingVersion, null=True, on_delete=models.PROTECT, related_name="+"
    )
    seen_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["stream", "external_key"], name="erp_record_once")
        ]
        permissions = [("reveal_payload", "Can see documents as the ERP sent them")]

    def __str__(self) -> str:
        return self.external_key


class Binding(models.Model):
    """Which of our rows an ERP's key stands for: a product, a customer or a purchase."""

    connection = models.ForeignKey(Connection, on_delete=models.PROTECT, related_name="bindings")
    entity = models.CharField(max_length=10, choices=Entity.choices)
    external_key = models.CharField(max_length=120)
    local_id = models.BigIntegerField()
    bound_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["connection", "entity", "external_key"], name="erp_bound_once"
            ),
            models.UniqueConstraint(
                fields=["connection", "entity", "local_id"], name="erp_bound_once_here"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.entity} {self.external_key} → {self.local_id}"


class Quarantine(models.Model):
    """A document that could not be applied, with the reason in plain words."""

    class Stage(models.TextChoices):
        READ = "read", "Reading the document"
        MAP = "map", "Mapping its fields"
        APPLY = "apply", "Writing it here"

    class State(models.TextChoices):
        OPEN = "open", "Needs attention"
        RESOLVED = "resolved", "Put right"

    record = models.OneToOneField(RawRecord, on_delete=models.CASCADE, related_name="quarantine")
    stage = models.CharField(max_length=5, choices=Stage.choices)
    code = models.CharField(max_length=40)
    field = models.CharField(max_length=80, blank=True)
    message = models.CharField("reason", max_length=300)
    mapping_version = models.ForeignKey(MappingVersion, on_delete=models.PROTECT, related_name="+")
    state = models.CharField(max_length=8, choices=State.choices, default=State.OPEN)
    tries = models.PositiveIntegerField(default=1)
    first_seen_at = models.DateTimeField(default=timezone.now)
    last_seen_at = models.DateTimeField(default=timezone.now)
    resolved_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = "set-aside document"
        permissions = [("replay_quarantine", "Can try set-aside documents again")]
        indexes = [
            models.Index(fields=["last_seen_at"], condition=Q(state="open"), name="erp_set_aside")
        ]

    def __str__(self) -> str:
        return f"{self.record}: {self.message}"
