"""What becomes of a referral once bills arrive, or do not."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.db.models import Q, Sum
from django.db.models.functions import Coalesce
from django.utils import timezone

from customers.models import Purchase
from customers.services import PurchaseChange
from loyalty.engine.people import (
    FriendBill,
    ReferralTerms,
    Stage,
    Verdict,
    judge,
)
from loyalty.events import FriendBillRecorded
from loyalty.ledger import Activate, Cancel, Command
from loyalty.models import (
    PendingPoints,
    Program,
    Referral,
    ReferralCode,
)
from loyalty.services.accounts import default_program, local_date
from loyalty.services.expiry import lifetime, policy_for
from loyalty.services.points import post_commands
from loyalty.services.referrals.joining import plain_code
from loyalty_site.outbox.services import publish


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
        change.purchase.pk: {plain_code(str(code)) for code in change.purchase.codes}
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
