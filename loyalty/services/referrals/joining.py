"""Who brought whom: codes, and friends who join with them."""

import secrets
from collections.abc import Collection
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils import timezone

from customers.models import Customer, Purchase
from loyalty.engine.people import (
    Identity,
    same_person,
)
from loyalty.errors import ReferralCodeNotFoundError, ReferralRefusedError
from loyalty.ledger import Pend
from loyalty.models import (
    Account,
    HouseholdMember,
    PeopleTerms,
    Program,
    Referral,
    ReferralCode,
)
from loyalty.services.accounts import default_program, local_date, open_accounts
from loyalty.services.points import post_commands
from loyalty.services.terms import people_terms
from loyalty_site.staff.models import User

_ALPHABET = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"
_LENGTH = 8
_TRIES = 5
# No event of the shop can be called so.
AWAITS = "friend's bill"
# The points are given up by the review; this only ends what it would have missed.
_SLACK = timedelta(days=30)


def referral_code_of(customer: Customer) -> ReferralCode:
    """The code by which a customer brings friends; the first call draws it."""
    for _ in range(_TRIES):
        code = "".join(secrets.choice(_ALPHABET) for _ in range(_LENGTH))
        try:
            with transaction.atomic():
                return ReferralCode.objects.get_or_create(
                    customer=customer, defaults={"code": code}
                )[0]
        except IntegrityError:
            continue
    raise ReferralRefusedError(reason="No code could be drawn just now. Please try again.")


def find_referrer(code: str) -> Customer:
    """Whose code this is, in any spelling; merges followed.

    Raises:
        ReferralCodeNotFoundError: nobody's.
    """
    found = (
        ReferralCode.objects.select_related("customer__merged_into")
        .filter(code=plain_code(code))
        .first()
    )
    if found is None:
        raise ReferralCodeNotFoundError()
    return found.customer.merged_into or found.customer


def plain_code(code: str) -> str:
    """A code as it is stored: no blanks or dashes, in capitals."""
    return "".join(code.split()).replace("-", "").upper()[: _LENGTH + 4]


# --- a friend joins -----------------------------------------------------------------------------


@transaction.atomic
def record_referral(
    *,
    friend: Customer,
    code: str,
    source: str,
    joined_at: datetime | None = None,
    acting_user: User | None = None,
    now: datetime | None = None,
) -> Referral:
    """Write down who brought a friend, and announce the points of both.

    They become usable once the friend's first bill is final. A friend who does not count is
    written down as refused, with the reason; repeating a call answers with the first one's
    referral.

    Raises:
        ReferralCodeNotFoundError: nobody has this code.
    """
    now = now or timezone.now()
    joined_at = joined_at or now
    program = default_program()
    terms = people_terms(program)
    referrer = find_referrer(code)
    people = {
        person.pk: person
        for person in Customer.objects.filter(pk__in={friend.survivor_id, referrer.pk})
        .order_by("pk")
        .select_for_update(no_key=True)
    }
    friend, referrer = people[friend.survivor_id], people[referrer.pk]
    earlier = list(
        friend.referrals.filter(Q(code=plain_code(code)) | ~Q(state=Referral.State.REFUSED))
    )
    for referral in earlier:
        if referral.code == plain_code(code):
            return referral
    joined_on = local_date(program, joined_at)
    referral = Referral(
        program=program,
        referrer=referrer,
        friend=friend,
        code=plain_code(code),
        source=source[:20],
        joined_at=joined_at,
        minimum_bill=terms.referral_minimum_bill,
        return_days=terms.referral_return_days,
        buy_until=joined_on + timedelta(days=terms.referral_window_days),
    )
    if earlier:
        reason = "Another customer brought this friend before."
    else:
        reason = _why_not(terms, referrer, friend, joined_at)
    if reason:
        referral.state, referral.reason = Referral.State.REFUSED, reason
        referral.settled_at = now
        referral.save()
        return referral
    referral.friend_points = terms.friend_points
    if _is_limit_reached(terms, program, referrer, joined_at):
        referral.reason = "The referrer's limit of this month is reached."
    else:
        referral.referrer_points = terms.referrer_points
    referral.save()
    _announce(referral, acting_user, now)
    return referral


def _why_not(terms: PeopleTerms, referrer: Customer, friend: Customer, joined_at: datetime) -> str:
    if not terms.allows_referrals:
        return "Bringing friends is switched off."
    for person in (referrer, friend):
        if person.status != Customer.Status.ACTIVE:
            return f"Customer {person.pk} is {person.get_status_display().lower()}."
    households: dict[int, int] = dict(
        HouseholdMember.objects.filter(
            customer__in=(referrer, friend), state=HouseholdMember.State.ACTIVE
        ).values_list("customer_id", "household_id")
    )
    if reason := same_person(_identity(referrer, households), _identity(friend, households)):
        return reason
    bought = friend.purchases.filter(kind=Purchase.Kind.SALE, occurred_at__lt=joined_at)
    return "This customer has bought here before." if bought.exists() else ""


def _identity(person: Customer, households: dict[int, int]) -> Identity:
    return Identity(
        customer_id=person.pk,
        phone=person.phone,
        email=person.email,
        household_id=households.get(person.pk),
    )


def _is_limit_reached(
    terms: PeopleTerms, program: Program, referrer: Customer, joined_at: datetime
) -> bool:
    """Whether enough friends of the same calendar month count for this referrer."""
    zone = ZoneInfo(program.zone)
    first = local_date(program, joined_at).replace(day=1)
    start = datetime.combine(first, time.min, tzinfo=zone)
    end = datetime.combine((first + timedelta(days=32)).replace(day=1), time.min, tzinfo=zone)
    counted = Referral.objects.filter(
        referrer=referrer, referrer_points__gt=0, joined_at__gte=start, joined_at__lt=end
    )
    return counted.exclude(state=Referral.State.REFUSED).count() >= terms.referral_monthly_limit


def _announce(referral: Referral, acting_user: User | None, now: datetime) -> None:
    referrer, friend = referral.referrer, referral.friend
    accounts = open_accounts(program=referral.program, customer_ids=[referrer.pk, friend.pk])
    promises = [
        (name, person, points, reason)
        for name, person, points, reason in (
            (
                "referrer_entry",
                referrer,
                referral.referrer_points,
                f"You brought {friend.first_name}",
            ),
            (
                "friend_entry",
                friend,
                referral.friend_points,
                f"{referrer.first_name} brought you",
            ),
        )
        if points
    ]
    last = referral.buy_until + timedelta(days=referral.return_days) + _SLACK
    commands = [
        Pend(
            account_id=accounts[person.pk].pk,
            points=points,
            qualifying=0,
            awaits=AWAITS,
            cancels_on=last,
            reference=f"referral:{referral.pk}",
            reason=reason,
            occurred_at=referral.joined_at,
            actor_id=acting_user.pk if acting_user else None,
            details={"referral": referral.pk, "buy_until": referral.buy_until.isoformat()},
        )
        for _, person, points, reason in promises
    ]
    outcomes = post_commands(
        program=referral.program, commands=commands, customers=_owners(accounts), now=now
    )
    for (name, *_), outcome in zip(promises, outcomes, strict=True):
        setattr(referral, f"{name}_id", outcome.entry.id)
    referral.save(update_fields=["referrer_entry", "friend_entry"])


def _owners(accounts: dict[int, Account]) -> dict[int, int]:
    return {account.pk: account.customer_id for account in accounts.values()}


# --- what becomes of it -------------------------------------------------------------------------


def join_at_till(*, purchase_ids: Collection[int], now: datetime | None = None) -> list[Referral]:
    """Write down friends who gave a code with their first bill; other codes are left alone."""
    given = {
        bill: {plain_code(str(code)) for code in bill.codes}
        for bill in Purchase.objects.filter(
            pk__in=purchase_ids, customer__isnull=False, kind=Purchase.Kind.SALE
        )
        .exclude(codes=[])
        .select_related("customer")
        .order_by("occurred_at", "pk")
    }
    if not given:
        return []
    known = set(
        ReferralCode.objects.filter(code__in=set().union(*given.values())).values_list(
            "code", flat=True
        )
    )
    return [
        record_referral(
            friend=bill.customer,
            code=code,
            source="till",
            joined_at=bill.occurred_at,
            now=now,
        )
        for bill, codes in given.items()
        for code in sorted(codes & known)[:1]
        if bill.customer is not None
    ]
