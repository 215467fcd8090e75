"""One-time codes with which customers sign in at the portal.

A code is derived from its challenge under a key outside the database, so it is stored nowhere.
All counting happens in the database: who asks too often or guesses is stopped without a cache.
"""

import hmac
import os
import zlib
from base64 import urlsafe_b64decode
from datetime import datetime, timedelta
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Count, F, Max, Min, Q
from django.utils import timezone

from customers.errors import InvalidContactError, TooManyCodesError, WrongCodeError
from customers.events import SignInCodeRequested
from customers.models import Customer, SignInChallenge
from customers.selectors import contact_lookup
from loyalty_site.common.crypto import blind_index
from loyalty_site.common.phones import InvalidPhoneError
from loyalty_site.outbox.services import publish

LIFETIME = timedelta(minutes=10)
PAUSE = timedelta(seconds=30)
MOST_COMPARES = 5
MOST_PER_CONTACT = 5
MOST_PER_NETWORK = 20
MOST_PER_HOUR = 3000
_HOUR = timedelta(hours=1)
_KEPT = timedelta(days=2)
_DIGITS = 6
_COUNTING_LOCK = zlib.crc32(b"customers.sign_in_codes")


@transaction.atomic
def request_sign_in_code(
    *, contact: str, network: str, now: datetime | None = None
) -> SignInChallenge:
    """Make a challenge for a phone (any spelling) or e-mail address; older ones of it end.

    The same is done and answered whether the contact belongs to a customer or not; only for an
    active customer a code is sent.

    Raises:
        InvalidContactError: neither a phone nor an address.
        TooManyCodesError: a limit of the contact, the network or the shop is reached.
    """
    now = now or timezone.now()
    try:
        lookup = contact_lookup(contact.strip())
    except InvalidPhoneError as error:
        raise InvalidContactError(field="contact") from error
    (contact_index,) = lookup.values()
    network_index = blind_index("sign-in-network", network)
    _take_turn()
    _refuse_excess(contact_index, network_index, now)
    SignInChallenge.objects.filter(contact_index=contact_index, expires_at__gt=now).update(
        expires_at=now
    )
    customer = Customer.objects.filter(status=Customer.Status.ACTIVE, **lookup).first()
    challenge = SignInChallenge.objects.create(
        customer=customer,
        contact_index=contact_index,
        network=network_index,
        nonce=os.urandom(16),
        created_at=now,
        expires_at=now + LIFETIME,
    )
    if customer is not None:
        channel = "email" if "email_index" in lookup else "whatsapp"
        publish(
            [
                SignInCodeRequested(
                    challenge_id=challenge.pk, customer_id=customer.pk, channel=channel
                )
            ]
        )
    return challenge


def check_sign_in_code(*, challenge_id: UUID, code: str, now: datetime | None = None) -> Customer:
    """The customer whose code this is; a code works once.

    Each try is counted and committed before it is compared, so no number of tries at once gets
    more than five compares. Must not run inside a transaction.

    Raises:
        WrongCodeError: wrong, used, expired, replaced, or tried too often.
    """
    now = now or timezone.now()
    alive = SignInChallenge.objects.filter(
        public_id=challenge_id, used_at__isnull=True, expires_at__gt=now
    )
    with transaction.atomic(durable=True):
        if not alive.filter(compared__lt=MOST_COMPARES).update(compared=F("compared") + 1):
            raise WrongCodeError(field="code")
    challenge = SignInChallenge.objects.select_related("customer").get(public_id=challenge_id)
    is_right = hmac.compare_digest(sign_in_code(challenge).encode(), code.strip().encode())
    customer = challenge.customer
    if not is_right or customer is None or customer.status != Customer.Status.ACTIVE:
        raise WrongCodeError(field="code")
    with transaction.atomic(durable=True):
        if not alive.update(used_at=now):
            raise WrongCodeError(field="code")
    return customer


def sign_in_code(challenge: SignInChallenge) -> str:
    """The six digits of a challenge."""
    digest = blind_index("sign-in-code", f"{challenge.public_id}:{bytes(challenge.nonce).hex()}")
    number = int.from_bytes(urlsafe_b64decode(f"{digest}="))
    return f"{number % 10**_DIGITS:0{_DIGITS}}"


def prune_challenges(*, limit: int = 20_000) -> int:
    """Remove a bounded number of challenges that ended days ago."""
    old = SignInChallenge.objects.filter(created_at__lt=timezone.now() - _KEPT).order_by("pk")
    ids = list(old.values_list("pk", flat=True)[:limit])
    deleted, _ = SignInChallenge.objects.filter(pk__in=ids).delete()
    return deleted


def _take_turn() -> None:
    """Count and create one after another; SQLite has one writer anyway."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_COUNTING_LOCK])


def _refuse_excess(contact_index: str, network_index: str, now: datetime) -> None:
    of_contact = Q(contact_index=contact_index)
    of_network = Q(network=network_index)
    figures = SignInChallenge.objects.filter(created_at__gt=now - _HOUR).aggregate(
        of_contact=Count("pk", filter=of_contact),
        first_of_contact=Min("created_at", filter=of_contact),
        last_of_contact=Max("created_at", filter=of_contact),
        of_network=Count("pk", filter=of_network),
        first_of_network=Min("created_at", filter=of_network),
        of_all=Count("pk"),
        first_of_all=Min("created_at"),
    )
    for is_reached, since, pause in (
        (figures["of_contact"] > 0, figures["last_of_contact"], PAUSE),
        (figures["of_contact"] >= MOST_PER_CONTACT, figures["first_of_contact"], _HOUR),
        (figures["of_network"] >= MOST_PER_NETWORK, figures["first_of_network"], _HOUR),
        (figures["of_all"] >= MOST_PER_HOUR, figures["first_of_all"], _HOUR),
    ):
        if is_reached and (wait := since + pause - now) > timedelta(0):
            raise TooManyCodesError(retry_after=max(1, round(wait.total_seconds())))
