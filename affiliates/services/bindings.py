"""Who brought a customer: written with the first bill that was attributed, moved by staff."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from affiliates.errors import AffiliateNotEarningError, BindingEndedError, ReasonMissingError
from affiliates.models import Binding, Enrolment
from customers.models import Customer, Purchase
from loyalty_site.common.rows import insert_missing_rows
from loyalty_site.staff.models import User

_COLUMNS = (
    "customer_id",
    "enrolment_id",
    "purchase_id",
    "reason",
    "bound_at",
    "ends_at",
    "ended_at",
)
_CHANGED = ["enrolment", "purchase", "bound_at", "ends_at", "ended_at"]


class BindingBook:
    """The bindings of some people while their bills are decided, the live ones locked.

    `note` takes a decision in, `write` keeps what follows. A binding tells who made the earliest
    bill that counts, in whatever order bills arrive; what was decided before stays as it was.
    """

    def __init__(self, people: Mapping[int, Sequence[int]], purchase_ids: Collection[int]) -> None:
        self._person = {record: pk for pk, records in people.items() for record in records}
        self._of: dict[int, list[Binding]] = defaultdict(list)
        self._made_by: dict[int, Binding] = {}
        self._new: list[Binding] = []
        self._changed: dict[int, Binding] = {}
        if not (self._person or purchase_ids):
            return
        rows = Binding.objects.filter(
            Q(customer__in=self._person) | Q(purchase__in=purchase_ids, ended_at__isnull=True)
        )
        for binding in rows.order_by("pk").select_for_update(no_key=True):
            if (person := self._person.get(binding.customer_id)) is not None:
                self._of[person].append(binding)
            if binding.purchase_id is not None and binding.ended_at is None:
                self._made_by[binding.purchase_id] = binding

    @property
    def enrolment_ids(self) -> set[int]:
        """Who holds these bindings."""
        return {binding.enrolment_id for group in self._of.values() for binding in group}

    def of(self, customer_id: int | None) -> list[Binding]:
        """A person's bindings, past ones too, the earliest first."""
        bindings = self._of.get(customer_id or 0, [])
        return sorted(bindings, key=lambda binding: binding.bound_at)

    def note(self, sale: Purchase, *, enrolment_id: int | None, bind_days: int | None) -> None:
        """Let a bill bind its customer to who brought it, or free whom it bound by mistake.

        `bind_days` is what the plan says: None for ever, 0 not at all.
        """
        at, person = sale.occurred_at, sale.customer_id
        ends_at = at + timedelta(days=bind_days) if bind_days else None
        own = self._made_by.get(sale.pk)
        if own is not None and (
            enrolment_id is None or self._person.get(own.customer_id) != person
        ):
            self._change(own, ended_at=own.bound_at)
            own = None
        if enrolment_id is None or person is None or bind_days == 0:
            return
        if own is not None:
            if own.enrolment_id != enrolment_id:
                self._change(own, enrolment_id=enrolment_id, ends_at=ends_at)
            return
        live = next((one for one in self.of(person) if one.ended_at is None), None)
        new = Binding(
            customer_id=person,
            enrolment_id=enrolment_id,
            purchase=sale,
            bound_at=at,
            ends_at=ends_at,
        )
        if live is None:
            self._add(new, person)
        elif live.ends_at is not None and live.ends_at <= at:
            self._change(live, ended_at=live.ends_at)
            self._add(new, person)
        elif at < live.bound_at and live.recorded_by_id is None:
            if ends_at is not None and ends_at <= live.bound_at:
                new.ended_at = ends_at
                self._add(new, person)
            else:
                changes = {"enrolment_id": enrolment_id, "purchase_id": sale.pk}
                self._change(live, **changes, bound_at=at, ends_at=ends_at)

    def _add(self, binding: Binding, person: int) -> None:
        self._new.append(binding)
        self._of[person].append(binding)
        if binding.ended_at is None and binding.purchase_id is not None:
            self._made_by[binding.purchase_id] = binding

    def _change(self, binding: Binding, **values: object) -> None:
        for name, value in values.items():
            setattr(binding, name, value)
        if binding.pk:
            self._changed[binding.pk] = binding

    def write(self) -> bool:
        """Keep what was noted; False if another process bound one of these people just now."""
        Binding.objects.bulk_update(self._changed.values(), _CHANGED)
        if not self._new:
            return True
        self._new.sort(key=lambda binding: binding.customer_id)
        insert_missing_rows(
            Binding, _COLUMNS, [[getattr(one, name) for name in _COLUMNS] for one in self._new]
        )
        live = {one.customer_id: one.purchase_id for one in self._new if one.ended_at is None}
        bound = Binding.objects.filter(customer__in=live, ended_at__isnull=True)
        return live == dict(bound.values_list("customer_id", "purchase_id"))


@transaction.atomic
def bind_customer(
    *,
    customer: Customer,
    enrolment: Enrolment,
    reason: str,
    acting_user: User,
    ends_at: datetime | None = None,
    now: datetime | None = None,
) -> Binding:
    """Bind a customer to an affiliate from now on, for ever or until `ends_at`.

    A binding to somebody else ends now; what bills earned before stays.

    Raises:
        ReasonMissingError: why is not said.
        AffiliateNotEarningError: the affiliate is not approved or no longer on the plan.
    """
    now = now or timezone.now()
    reason = _reason(reason)
    refuse_idle(enrolment)
    Customer.objects.select_for_update(no_key=True).get(pk=customer.pk)
    _live_of(customer).update(ended_at=now)
    return Binding.objects.create(
        customer=customer,
        enrolment=enrolment,
        reason=reason,
        bound_at=now,
        ends_at=ends_at,
        recorded_by=acting_user,
    )


@transaction.atomic
def end_binding(
    *, binding: Binding, reason: str, acting_user: User, now: datetime | None = None
) -> Binding:
    """Give up who brought a customer: later bills stand for themselves.

    Raises:
        ReasonMissingError: why is not said.
        BindingEndedError: it ended before.
    """
    reason = _reason(reason)
    locked = Binding.objects.select_for_update(no_key=True).get(pk=binding.pk)
    if locked.ended_at is not None:
        raise BindingEndedError()
    locked.ended_at = now or timezone.now()
    locked.reason = reason
    locked.recorded_by = acting_user
    locked.save(update_fields=["ended_at", "reason", "recorded_by"])
    return locked


def refuse_idle(enrolment: Enrolment) -> None:
    """Raise AffiliateNotEarningError unless new bills may earn for this enrolment."""
    if not enrolment.affiliate.may_earn or enrolment.state != Enrolment.State.ACTIVE:
        raise AffiliateNotEarningError(affiliate=enrolment.affiliate)


def _live_of(customer: Customer) -> QuerySet[Binding]:
    """The live bindings of all records of a person."""
    same = Q(customer=customer) | Q(customer__merged_into=customer)
    return Binding.objects.filter(same, ended_at__isnull=True)


def _reason(text: str) -> str:
    text = text.strip()[:200]
    if not text:
        raise ReasonMissingError(field="reason")
    return text
