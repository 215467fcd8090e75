"""What customers allow, as they said last."""

from collections.abc import Iterable

from django.db.models import BooleanField, Max, OuterRef, Subquery
from django.db.models.expressions import Combinable
from django.db.models.functions import Coalesce

from customers.models import Consent, Customer


def consent_states(*, customer_ids: Iterable[int], channel: str, purpose: str) -> dict[int, bool]:
    """Each customer's last word on a purpose; who said nothing has not agreed. One query."""
    ids = list(customer_ids)
    latest = (
        Consent.objects.filter(customer_id__in=ids, channel=channel, purpose=purpose)
        .order_by()
        .values("customer_id")
        .annotate(latest=Max("id"))
        .values("latest")
    )
    said = dict(Consent.objects.filter(pk__in=latest).values_list("customer_id", "granted"))
    return {customer_id: said.get(customer_id, False) for customer_id in ids}


def consent_exists(
    customer: str, *, channel: str | Combinable, purpose: str | Combinable
) -> Coalesce:
    """A condition for a query: the customer's last word allows the purpose on the channel.

    `customer` is the outer query's path to the customer, like `"customer_id"`; channel and
    purpose are values, or `OuterRef`s to columns of the outer query.
    """
    last_word = (
        Consent.objects.filter(customer_id=OuterRef(customer), channel=channel, purpose=purpose)
        .order_by("-id")
        .values("granted")[:1]
    )
    return Coalesce(Subquery(last_word), False, output_field=BooleanField())


def current_consents(customer: Customer) -> list[Consent]:
    """A customer's last word on each channel and purpose, in the order of the choices."""
    latest = (
        customer.consents.order_by()
        .values("channel", "purpose")
        .annotate(latest=Max("id"))
        .values("latest")
    )
    return list(
        Consent.objects.filter(pk__in=latest)
        .select_related("recorded_by")
        .order_by("channel", "purpose")
    )


def consent_history(customer: Customer, *, limit: int) -> list[Consent]:
    """What a customer said, newest first."""
    return list(customer.consents.select_related("recorded_by").order_by("-id")[:limit])
