"""ERPs that we read: how they are set up, rest, and come back."""

from dataclasses import dataclass, replace
from datetime import timedelta
from ipaddress import ip_address
from urllib.parse import urlsplit

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from erp.errors import InsecureAddressError
from erp.gateways import Endpoint, GatewayError, open_source
from erp.gateways.logic import DEFAULT_MAPPINGS
from erp.models import Connection, Entity, MappingVersion, Stream
from erp.services.mappings import save_mapping

DEFAULT_NAME = "LOGIC ERP"
RESTS_AFTER = 5
_SETTINGS = ["name", "base_url", "allows_plain_http", "auth", "credentials", "zone"]
_LONGEST_REST_S = 3600
_LONGEST_BACK_OFF_S = 900
IMPORT_WORDING = (
    "I agree to messages about my points and purchases (said when joining at the shop)."
)


@dataclass(frozen=True, slots=True)
class Check:
    """What a test of a connection found."""

    is_good: bool
    message: str


def endpoint_of(connection: Connection) -> Endpoint:
    """What an adapter needs to know."""
    return Endpoint(
        kind=connection.kind,
        base_url=connection.base_url,
        auth=connection.auth,
        credentials=connection.credentials,
    )


def check_address(*, base_url: str, allows_plain_http: bool) -> None:
    """Refuse what is no web address, and plain http to another machine without the owner's leave.

    Raises:
        InsecureAddressError: credentials would travel unsealed.
    """
    parts = urlsplit(base_url)
    plain_allowed = allows_plain_http or _is_loopback(parts.hostname or "")
    if not parts.hostname or parts.scheme not in ("https", "http")[: 2 if plain_allowed else 1]:
        raise InsecureAddressError(field="base_url")


@transaction.atomic
def save_connection(*, connection: Connection) -> Connection:
    """Create a connection, or change what a person may change of it.

    Raises:
        InsecureAddressError: plain http to another machine without the owner's leave.
    """
    connection.base_url = connection.base_url.strip().rstrip("/")
    check_address(base_url=connection.base_url, allows_plain_http=connection.allows_plain_http)
    # How the connection stands belongs to its runs, which may write at the same time.
    connection.save(update_fields=_SETTINGS if connection.pk else None)
    return connection


@transaction.atomic
def connect_erp(
    *, name: str, base_url: str, credentials: str, allows_plain_http: bool
) -> Connection:
    """Set up a LOGIC connection with its default mappings and streams; repeating changes only
    the credentials.

    Raises:
        InsecureAddressError: plain http to another machine without the owner's leave.
    """
    base_url = base_url.strip().rstrip("/")
    connection = Connection.objects.filter(kind=Connection.Kind.LOGIC, base_url=base_url).first()
    if connection is None:
        connection = save_connection(
            connection=Connection(
                name=name,
                base_url=base_url,
                credentials=credentials,
                zone=settings.TIME_ZONE,
                allows_plain_http=allows_plain_http,
            )
        )
    elif connection.credentials != credentials:
        connection.credentials = credentials
        save_connection(connection=connection)
    known = set(connection.streams.values_list("entity", flat=True))
    for entity in Entity:
        if entity not in known:
            _add_stream(connection, entity)
    return connection


def ensure_default_connection() -> Connection | None:
    """The connection that ERP_HOST and ERP_API_KEY describe, made once; None if none is set.

    ERP_API_KEY is `user:password`. Whoever sets ERP_HOST decides about plain http with it.
    """
    if not settings.ERP_HOST:
        return None
    return connect_erp(
        name=DEFAULT_NAME,
        base_url=settings.ERP_HOST,
        credentials=settings.ERP_API_KEY,
        allows_plain_http=settings.ERP_HOST.startswith("http://"),
    )


def _add_stream(connection: Connection, entity: Entity) -> Stream:
    shipped = MappingVersion.objects.filter(
        mapping__name=DEFAULT_NAME, mapping__mapping_type=entity
    )
    version = shipped.order_by("number").first() or save_mapping(
        mapping_type=entity, mappings=DEFAULT_MAPPINGS[entity], name=DEFAULT_NAME
    )
    policy = {"unknown_customer": "create", "consent_wording": IMPORT_WORDING}
    return Stream.objects.create(
        connection=connection,
        entity=entity,
        position=entity.position,
        mapping_version=version,
        policy={} if entity is Entity.ITEM else policy,
    )


def check_connection(*, connection: Connection) -> Check:
    """Ask the ERP for its first page of customers and tell what came; writes nothing."""
    # A person waits for this in a request.
    source = open_source(replace(endpoint_of(connection), deadline_s=4, tries=1))
    try:
        page = source.fetch(Entity.CUSTOMER, {})
    except GatewayError as error:
        return Check(False, f"{error} ({error.kind.hint})")
    finally:
        source.close()
    if not page.records:
        return Check(
            True, "Signed in, but no customers came. Are customer groups released in the ERP?"
        )
    return Check(True, f"Signed in; the first page has {len(page.records)} customers.")


@transaction.atomic
def resume_connection(*, connection: Connection) -> None:
    """A person has acted: read this ERP again, from where we were, now."""
    Connection.objects.filter(pk=connection.pk).update(
        state=Connection.State.ACTIVE, attention_reason="", failures=0, open_until=None
    )
    connection.streams.update(next_due_at=timezone.now())


def note_success(*, connection_id: int) -> None:
    """A run came through: forget earlier failures."""
    Connection.objects.filter(pk=connection_id).exclude(failures=0, open_until=None).update(
        failures=0, open_until=None
    )


def note_failure(*, connection_id: int, error: GatewayError) -> timedelta:
    """Count a failed run, stop or rest the connection where that is due; returns the back-off.

    Must run inside a transaction.
    """
    connection = Connection.objects.select_for_update().get(pk=connection_id)
    now = timezone.now()
    connection.failures += 1
    back_off = timedelta(seconds=min(15 * 2 ** min(connection.failures, 10), _LONGEST_BACK_OFF_S))
    if error.kind.needs_person:
        connection.state = Connection.State.NEEDS_ATTENTION
        connection.attention_reason = str(error)[:300]
    elif connection.failures >= RESTS_AFTER:
        rest = min(60 * 2 ** min(connection.failures - RESTS_AFTER, 10), _LONGEST_REST_S)
        connection.open_until = now + timedelta(seconds=rest)
    connection.save(update_fields=["failures", "state", "attention_reason", "open_until"])
    return back_off


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
