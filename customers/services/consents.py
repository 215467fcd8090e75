"""What customers allow; statements are added, never changed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.utils import timezone

from customers.errors import InvalidConsentError
from customers.models import Consent, Customer
from loyalty_site.common.rows import insert_rows
from loyalty_site.staff.models import User

_COLUMNS = (
    "customer_id",
    "channel",
    "purpose",
    "granted",
    "wording",
    "source",
    "recorded_at",
    "recorded_by_id",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentStatement:
    """What a customer said about one purpose on one channel, and what they were shown."""

    customer_id: int
    channel: str
    purpose: str
    granted: bool
    wording: str = ""


@transaction.atomic
def record_consents(
    *,
    statements: Sequence[ConsentStatement],
    source: str,
    acting_user: User | None = None,
    now: datetime | None = None,
) -> None:
    """Write statements down, in a constant number of queries. The latest one counts.

    Raises:
        InvalidConsentError: unknown channel or purpose, no source, or a permission without the
            words that were agreed to; nothing is written.
    """
    for statement in statements:
        _check(statement, source)
    recorded_at = now or timezone.now()
    insert_rows(
        Consent,
        _COLUMNS,
        [
            (
                statement.customer_id,
                statement.channel,
                statement.purpose,
                statement.granted,
                statement.wording.strip(),
                source,
                recorded_at,
                acting_user.pk if acting_user else None,
            )
            for statement in statements
        ],
    )


def record_consent(
    *,
    customer: Customer,
    channel: str,
    purpose: str,
    granted: bool,
    wording: str,
    source: str,
    acting_user: User | None = None,
) -> Consent:
    """Write one statement down.

    Raises:
        InvalidConsentError: as `record_consents`.
    """
    statement = ConsentStatement(
        customer_id=customer.pk, channel=channel, purpose=purpose, granted=granted, wording=wording
    )
    with transaction.atomic():
        record_consents(statements=[statement], source=source, acting_user=acting_user)
        return customer.consents.filter(channel=channel, purpose=purpose).latest()


def _check(statement: ConsentStatement, source: str) -> None:
    for field, known, reason in (
        ("channel", statement.channel in Consent.Channel.values, "There is no such channel."),
        ("purpose", statement.purpose in Consent.Purpose.values, "There is no such purpose."),
        ("source", 0 < len(source) <= 40, "Say in up to 40 characters where it was said."),
        (
            "wording",
            bool(statement.wording.strip()) or not statement.granted,
            "Write down what the customer was shown.",
        ),
    ):
        if not known:
            raise InvalidConsentError(field=field, reason=reason)
