"""Goods that come back: what was spent on their bill, and what a return would mean."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal

from customers.models import Purchase
from customers.services import PurchaseChange
from loyalty.engine import Bill, BillLine, Earning, earn, points_back, remaining_bill
from loyalty.errors import InvalidReturnError, PurchaseNotFoundError
from loyalty.ledger import GiveBack, Shortfall
from loyalty.models import Account, Program, Redemption
from loyalty.selectors import earned_of_sales, redemptions_of_purchases
from loyalty.services.accounts import local_date
from loyalty.services.bills import load_bills
from loyalty.services.decisions import Move, Sale
from loyalty.services.rules import RuleBook
from loyalty.services.simulation import facts_for
from loyalty_site.staff.models import User

_CENT = Decimal("0.01")


def give_back_spent(
    *,
    program: Program,
    sales: Mapping[int, Sale],
    changes: Sequence[PurchaseChange],
    now: datetime,
    acting_user: User | None,
) -> list[Move]:
    """Give points back that were spent on bills whose goods came back, in proportion.

    What is to be back in all is worked out anew from what the customer keeps, so parts add up
    exactly. Bills of which nothing came back cost no query.
    """
    causes = {
        change.purchase.sale_id or change.purchase.pk: change.purchase
        for change in changes
        if change.is_changed
    }
    returned = {
        pk: cause
        for pk, cause in causes.items()
        if pk in sales and (sales[pk].returns or not sales[pk].purchase.is_active)
    }
    moves: list[Move] = []
    for pk, redemptions in redemptions_of_purchases(returned).items():
        sale, cause = sales[pk], returned[pk]
        for redemption in redemptions:
            moves += _give_back(program, sale, cause, redemption, now, acting_user)
    return moves


def _give_back(
    program: Program,
    sale: Sale,
    cause: Purchase,
    redemption: Redemption,
    now: datetime,
    acting_user: User | None,
) -> list[Move]:
    sold, kept = sale.purchase.net, _kept(sale.purchase, sale.returns)
    total = points_back(redemption.points, sold=sold, kept=kept)
    if not total or redemption.entry_id is None:
        return []
    command = GiveBack(
        account_id=redemption.account_id,
        entry_id=redemption.entry_id,
        total=total,
        grace_until=grace_until(program, now),
        reference=f"back:{redemption.pk}:{cause.pk}:v{cause.version}",
        reason=f"Spent on bill {sale.purchase.number}, of which goods came back",
        occurred_at=cause.occurred_at,
        actor_id=acting_user.pk if acting_user else None,
        details={
            "bill": sale.purchase.number,
            "cause": cause.number,
            "spent": redemption.points,
            "sold": str(sold),
            "kept": str(kept),
            "back_in_all": total,
        },
    )
    return [Move(cause.pk, command)]


def _kept(sale: Purchase, returns: Iterable[Purchase]) -> Decimal:
    if not sale.is_active:
        return Decimal(0)
    return sale.net + sum((one.net for one in returns if one.is_active), Decimal(0))


def grace_until(program: Program, now: datetime) -> date | None:
    """Until when points live that come back to a lot that has ended; None: they end at once."""
    if not program.grace_days:
        return None
    return local_date(program, now) + timedelta(days=program.grace_days)


# --- before it happens --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class ReturnPreview:
    """What a return would mean: points, all whole numbers, and the standing after it.

    `taken` are earned points that go, `given` spent points that come back.
    """

    purchase: Purchase
    earned: int
    earns_after: int
    taken: int
    given: int
    balance: int
    balance_after: int
    earning: Earning


def preview_return(
    *, program: Program, purchase_id: int, quantities: Mapping[str, Decimal]
) -> ReturnPreview:
    """What would happen if so much of these lines (by their keys) came back now; writes nothing.

    A line's money is taken in proportion, the rest of it whole when all that is left comes back.

    Raises:
        PurchaseNotFoundError: there is no such sale.
        InvalidReturnError: a line is not on the bill, or less of it is left.
    """
    sale = (
        Purchase.objects.filter(pk=purchase_id, kind=Purchase.Kind.SALE)
        .select_related("store", "customer")
        .first()
    )
    if sale is None:
        raise PurchaseNotFoundError(number=str(purchase_id))
    returns = list(
        sale.returns.filter(
            status=Purchase.Status.ACTIVE, standing=Purchase.Standing.APPLIED
        ).order_by("occurred_at", "pk")
    )
    bills = load_bills([(sale, returns)])
    now_kept = remaining_bill(bills[sale.pk], [bills[one.pk] for one in returns])
    then_kept = _without(now_kept, quantities)
    earned = earned_of_sales([sale.pk])
    account = Account.objects.filter(program=program, customer_id=sale.customer_id or 0).first()
    rules = RuleBook.load(program).in_force(
        sale.occurred_at, paid_at=min((one.paid_at for one in earned), default=None)
    )
    facts = facts_for(program, account, sale.occurred_at, rules, sale)
    earning = earn(then_kept, rules, facts)
    before = sum(one.points for one in earned if account and one.customer_id == sale.customer_id)
    taken = max(0, before - earning.points)
    kept, after = (
        sum((line.net for line in bill.lines), Decimal(0)) for bill in (now_kept, then_kept)
    )
    given = sum(
        points_back(one.points, sold=sale.net, kept=after)
        - points_back(one.points, sold=sale.net, kept=kept)
        for one in redemptions_of_purchases([sale.pk]).get(sale.pk, ())
    )
    balance = account.balance if account else 0
    return ReturnPreview(
        purchase=sale,
        earned=before,
        earns_after=earning.points,
        taken=taken,
        given=given,
        balance=balance,
        balance_after=_balance_after(program, account, taken, given),
        earning=earning,
    )


def _without(bill: Bill, quantities: Mapping[str, Decimal]) -> Bill:
    left = {line.key: line for line in bill.lines}
    for key, quantity in quantities.items():
        line = left.get(key)
        if line is None:
            raise InvalidReturnError(problem=f"“{key}” is not on this bill.")
        if not 0 < quantity <= line.quantity:
            raise InvalidReturnError(
                problem=f"{line.quantity.normalize():f} of “{key}” can come back."
            )
        left[key] = _less(line, quantity)
    return replace(bill, lines=tuple(left.values()))


def _less(line: BillLine, quantity: Decimal) -> BillLine:
    share = (line.quantity - quantity) / line.quantity
    return replace(
        line,
        quantity=line.quantity - quantity,
        net=(line.net * share).quantize(_CENT),
        discount=(line.discount * share).quantize(_CENT),
        tax=(line.tax * share).quantize(_CENT),
    )


def _balance_after(program: Program, account: Account | None, taken: int, given: int) -> int:
    if account is None:
        return 0
    usable = max(0, taken - account.pending)
    match Shortfall(program.shortfall):
        case Shortfall.DEBT:
            return account.balance - usable + given
        case Shortfall.ZERO:
            return account.balance - min(usable, max(0, account.balance - account.held)) + given
        case Shortfall.PENDING:
            return account.balance + given
