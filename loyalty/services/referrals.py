"""Friends whom customers bring: what both are promised, and when they get it."""

import secrets
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from django.db import IntegrityError, transaction
from django.db.models import Q, Sum
from django.db.models.functions import Coalesce
from django.utils import timezone

from customers.models import Customer, Purchase
from customers.services import PurchaseChange
from loyalty.engine.people import (
    FriendBill,
    Identity,
    ReferralTerms,
    Stage,
    Verdict,
    judge,
    same_person,
)
from loyalty.errors import ReferralCodeNotFoundError, ReferralRefusedError
from loyalty.events import FriendBillRecorded
from loyalty.ledger import Activate, Cancel, Command, Pend
from loyalty.models import (
    Account,
    HouseholdMember,
    PendingPoints,
    PeopleTerms,
    Program,
    Referral,
    ReferralCode,
)
from loyalty.services.accounts import default_program, local_date, open_accounts
from loyalty.services.expiry import lifetime, policy_for
from loyalty.services.points import post_commands
from loyalty.services.terms import people_terms
from loyalty_site.outbox.services import publish
from loyalty_site.staff.models import User

# Without letters and digits that are mistaken for each other.
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
        .filter(code=_plain(code))
        .first()
    )
    if found is None:
        raise ReferralCodeNotFoundError()
    return found.customer.merged_into or found.customer


def _plain(code: str) -> str:
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
    earlier = list(friend.referrals.filter(Q(code=_plain(code)) | ~Q(state=Referral.State.REFUSED)))
    for referral in earlier:
        if referral.code == _plain(code):
            return referral
    joined_on = local_date(program, joined_at)
    referral = Referral(
        program=program,
        referrer=referrer,
        friend=friend,
        code=_plain(code),
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


@transaction.atomic
def review_referrals(*, referral_ids: Collection[int], now: datetime | None = None) -> int:
    """Look where open referrals stand by their friends' bills, and post what follows.

    Returns how many changed; repeating a call changes nothing. The number of queries does not
    depend on the number of referrals.
    """
    now = now or timezone.now()
    referrals = list(
        Referral.objects.filter(pk__in=referral_ids, state__in=Referral.OPEN)
        .select_related("program", "friend", "referrer")
        .order_by("pk")
        .select_for_update(of=("self",))
    )
    if not referrals:
        return 0
    bills = _bills_of(referrals)
    by_program: dict[Program, list[tuple[Referral, Verdict]]] = defaultdict(list)
    for referral in referrals:
        today = local_date(referral.program, now)
        verdict = _verdict(referral, bills[referral.friend.survivor_id], today)
        is_same = (
            referral.state == verdict.stage.value and referral.purchase_id == verdict.purchase_id
        )
        if not is_same:
            by_program[referral.program].append((referral, verdict))
    for program, judged in by_program.items():
        _carry_out(program, judged, now)
    return sum(len(judged) for judged in by_program.values())


def _verdict(referral: Referral, bills: Sequence[FriendBill], today: date) -> Verdict:
    if referral.friend.survivor_id == referral.referrer.survivor_id:
        return Verdict(
            stage=Stage.CANCELLED,
            reason="Friend and referrer turned out to be one customer.",
            purchase_id=referral.purchase_id,
        )
    terms = ReferralTerms(
        joined_on=local_date(referral.program, referral.joined_at),
        buy_until=referral.buy_until,
        minimum=referral.minimum_bill,
        return_days=referral.return_days,
    )
    return judge(terms, bills, today=today, chosen_id=referral.purchase_id)


def _bills_of(referrals: Iterable[Referral]) -> dict[int, list[FriendBill]]:
    """The friends' bills since they joined, with what was kept of each; two queries."""
    referrals = list(referrals)
    friends = {referral.friend.survivor_id for referral in referrals}
    since = min(referral.joined_at for referral in referrals) - timedelta(days=1)
    chosen = {referral.purchase_id for referral in referrals if referral.purchase_id}
    sales = list(
        Purchase.objects.filter(
            Q(customer__in=friends, occurred_at__gte=since) | Q(pk__in=chosen),
            kind=Purchase.Kind.SALE,
        )
        .order_by("occurred_at", "pk")
        .only("pk", "customer_id", "status", "occurred_at", "net", "tax")
    )
    returned: dict[int | None, Decimal] = dict(
        Purchase.objects.filter(sale__in=[sale.pk for sale in sales], status=Purchase.Status.ACTIVE)
        .order_by()
        .values_list("sale_id")
        .annotate(total=Coalesce(Sum("net") + Sum("tax"), Decimal(0)))
    )
    program = default_program()
    bills: dict[int, list[FriendBill]] = defaultdict(list)
    for sale in sales:
        kept = sale.net + sale.tax + Decimal(returned.get(sale.pk, 0))
        bills[sale.customer_id or 0].append(
            FriendBill(
                purchase_id=sale.pk,
                day=local_date(program, sale.occurred_at),
                kept=round(kept, 2) if sale.is_active else Decimal(0),
            )
        )
    return bills


def _carry_out(program: Program, judged: Sequence[tuple[Referral, Verdict]], now: datetime) -> None:
    """Write the new states down and settle the announced points that end."""
    over = [
        (referral, verdict)
        for referral, verdict in judged
        if verdict.stage not in (Stage.JOINED, Stage.BOUGHT)
    ]
    entries = {
        entry_id: verdict
        for referral, verdict in over
        for entry_id in (referral.referrer_entry_id, referral.friend_entry_id)
        if entry_id
    }
    pending = (
        PendingPoints.objects.filter(entry__in=entries, remaining__gt=0)
        .select_related("account", "entry")
        .order_by("account_id", "pk")
    )
    commands: list[Command] = []
    owners: dict[int, int] = {}
    for points in pending:
        owners[points.account_id] = points.account.customer_id
        commands.append(_command(program, points, entries[points.entry_id], now))
    for outcome in post_commands(program=program, commands=commands, customers=owners, now=now):
        if outcome.refusal is not None:
            raise outcome.refusal
    for referral, verdict in judged:
        referral.state = Referral.State(verdict.stage.value)
        referral.reason = _joined_reasons(referral, verdict)
        referral.purchase_id = verdict.purchase_id
        referral.due_on = verdict.due_on
    for referral, _ in over:
        referral.settled_at = now
    Referral.objects.bulk_update(
        [referral for referral, _ in judged],
        ["state", "reason", "purchase", "due_on", "settled_at"],
    )


def _command(program: Program, points: PendingPoints, verdict: Verdict, now: datetime) -> Command:
    common: dict[str, Any] = {
        "account_id": points.account_id,
        "entry_id": points.entry_id,
        "reference": f"{points.entry.reference}:{points.entry_id}",
        "occurred_at": now,
        "details": {**points.entry.details, "why": verdict.reason},
    }
    if verdict.stage == Stage.REWARDED:
        lives = lifetime(policy_for(program), program, now)
        return Activate(reason=points.entry.reason, **lives, **common)
    return Cancel(reason=f"{points.entry.reason}: {verdict.reason}"[:200], **common)


def _joined_reasons(referral: Referral, verdict: Verdict) -> str:
    """What the friend did, and why the referrer gets nothing if that is so."""
    limit = " The referrer's limit of this month is reached."
    return verdict.reason + (limit if not referral.referrer_points else "")


def review_friends(*, customer_ids: Collection[int], now: datetime | None = None) -> int:
    """Review the open referrals of friends whose bills changed."""
    ids = Referral.objects.filter(
        Q(friend__in=customer_ids) | Q(friend__merged_into__in=customer_ids),
        state__in=Referral.OPEN,
    ).values_list("pk", flat=True)
    return review_referrals(referral_ids=list(ids), now=now)


def review_due_referrals(*, now: datetime | None = None, limit: int = 500) -> int:
    """Review what a day of the calendar decides: goods cannot come back, or time is over.

    Returns how many changed; call again until it is 0.
    """
    now = now or timezone.now()
    changed = 0
    for program in Program.objects.order_by("pk"):
        today = local_date(program, now)
        due = Referral.objects.filter(
            Q(state=Referral.State.BOUGHT, due_on__lte=today)
            | Q(state=Referral.State.JOINED, buy_until__lt=today),
            program=program,
        ).order_by("pk")
        ids = list(due.values_list("pk", flat=True)[:limit])
        changed += review_referrals(referral_ids=ids, now=now)
    return changed


def announce_friend_bills(
    *, changes: Sequence[PurchaseChange], owners: Mapping[int, int | None]
) -> None:
    """Tell which changed bills may decide a referral; `owners` are the customers of sales by id.

    Two queries at most, and an event only where there is something to decide.
    """
    concerned: dict[int, int] = {}
    for change in changes:
        bill = change.purchase
        owner = owners.get(bill.sale_id or bill.pk) or bill.customer_id
        if change.is_changed and owner:
            concerned[bill.pk] = owner
    if not concerned:
        return
    people = set(concerned.values())
    friends: set[int] = set()
    for pair in Referral.objects.filter(
        Q(friend__in=people) | Q(friend__merged_into__in=people), state__in=Referral.OPEN
    ).values_list("friend_id", "friend__merged_into_id"):
        friends.update(pk for pk in pair if pk)
    codes = {
        change.purchase.pk: {_plain(str(code)) for code in change.purchase.codes}
        for change in changes
        if change.is_new and change.purchase.codes and change.purchase.pk in concerned
    }
    known: set[str] = set()
    if codes:
        known.update(
            ReferralCode.objects.filter(code__in=set().union(*codes.values())).values_list(
                "code", flat=True
            )
        )
    publish(
        FriendBillRecorded(purchase_id=pk, customer_id=owner)
        for pk, owner in concerned.items()
        if owner in friends or codes.get(pk, set()) & known
    )


def join_at_till(*, purchase_ids: Collection[int], now: datetime | None = None) -> list[Referral]:
    """Write down friends who gave a code with their first bill; other codes are left alone."""
    given = {
        bill: {_plain(str(code)) for code in bill.codes}
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
