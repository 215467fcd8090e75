"""The year of bills, derived from the CSV files by the rules in the package's docstring.

Pure: the same files and date give the same history.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

from sandbox.logic_erp.dataset import Basket, BasketLine, read_baskets, read_products
from sandbox.logic_erp.documents import Bill, BillKind, Branch, Customer, Item, Line
from sandbox.logic_erp.money import decimal_rupees, share
from sandbox.logic_erp.numbering import Numbering
from sandbox.logic_erp.people import CITIES, name_of
from sandbox.logic_erp.returns import PlannedReturn, plan_returns
from sandbox.logic_erp.seeds import choose, roll

AFFILIATE_CODES = ("ASHA10", "RAVI10", "MEERA10")
AFFILIATE_PERCENT = 6


@dataclass(frozen=True, slots=True)
class History:
    """Everything that the books hold before the first live bill, in order of modify codes."""

    newest_on: date
    branches: dict[int, Branch]
    customers: dict[int, Customer]
    items: dict[str, Item]
    bills: tuple[Bill, ...]
    last_modify_code: int


@dataclass(frozen=True, slots=True)
class Totals:
    """Counts and nets (in rupees) of the history; nets are positive on both sides."""

    customers: int
    items: int
    sales: int
    sale_lines: int
    net_sales: Decimal
    returns: int
    return_lines: int
    net_returns: Decimal


def read_history(data_dir: Path, newest_on: date) -> History:
    """Derive the history whose newest basket falls on the given day."""
    baskets = _shifted(read_baskets(data_dir), newest_on)
    branches = _branches(baskets)
    customers = _customers(baskets, branches)
    items = {
        product.product_id: Item(len(customers) + place, *product)
        for place, product in enumerate(read_products(data_dir), start=1)
    }
    numbering = Numbering(last_modify_code=len(customers) + len(items))
    bills = tuple(_numbered(baskets, branches, customers, newest_on, numbering))
    return History(
        newest_on=newest_on,
        branches={branch.code: branch for branch in branches.values()},
        customers=customers,
        items=items,
        bills=bills,
        last_modify_code=bills[-1].modify_code,
    )


def expected_totals(data_dir: Path, newest_on: date) -> Totals:
    """Count what a complete pull must bring, from the CSV files and the rule of returns alone.

    Numbers, bills and LOGIC's shapes take no part in it, so that tests can compare.
    """
    baskets = _shifted(read_baskets(data_dir), newest_on)
    sold = [line for basket in baskets for line in basket.lines]
    returned = [
        [
            share(line.net, take.last, line.quantity) - share(line.net, take.first, line.quantity)
            for take in plan.takes
            for line in [basket.lines[take.line]]
        ]
        for basket in baskets
        for plan in plan_returns(basket, newest_on)
    ]
    return Totals(
        customers=len({basket.household_id for basket in baskets}),
        items=len(read_products(data_dir)),
        sales=len(baskets),
        sale_lines=len(sold),
        net_sales=decimal_rupees(sum(line.net for line in sold)),
        returns=len(returned),
        return_lines=sum(len(amounts) for amounts in returned),
        net_returns=decimal_rupees(sum(sum(amounts) for amounts in returned)),
    )


def returned_line(sold: Line, first: int, last: int, txn_code: int) -> Line:
    """The line that takes back units first to last (exclusive) of a sold line."""

    def part(amount: int) -> int:
        return share(amount, last, sold.quantity) - share(amount, first, sold.quantity)

    return Line(
        txn_code=txn_code,
        item=sold.item,
        quantity=last - first,
        retail_discount=part(sold.retail_discount),
        coupon_discount=part(sold.coupon_discount),
        match_discount=part(sold.match_discount),
        net=part(sold.net),
        sold_as=sold.txn_code,
    )


def sold_lines(lines: Sequence[BasketLine], at: datetime, numbering: Numbering) -> tuple[Line, ...]:
    """The lines of a sale, each with the next line code."""
    codes = numbering.next_txn_codes(at, len(lines))
    return tuple(Line(code, *line) for code, line in zip(codes, lines, strict=True))


def _shifted(baskets: Sequence[Basket], newest_on: date) -> list[Basket]:
    shift = newest_on - baskets[-1].at.date()
    return [basket._replace(at=basket.at + shift) for basket in baskets]


def _numbered(
    baskets: Sequence[Basket],
    branches: dict[int, Branch],
    customers: dict[int, Customer],
    newest_on: date,
    numbering: Numbering,
) -> Iterator[Bill]:
    """Yield sales and returns in order of time, each with its numbers."""
    queue: list[tuple[datetime, str, Basket, PlannedReturn | None]] = []
    for basket in baskets:
        queue.append((basket.at, basket.basket_id, basket, None))
        for part, planned in enumerate(plan_returns(basket, newest_on), start=1):
            queue.append((planned.at, f"{basket.basket_id}-R{part}", basket, planned))
    queue.sort(key=lambda entry: entry[:2])
    sales: dict[str, Bill] = {}
    for at, key, basket, plan in queue:
        kind: BillKind = "sale" if plan is None else "return"
        branch = branches[basket.store_id]
        if plan is None:
            lines = sold_lines(basket.lines, at, numbering)
        else:
            sale = sales[basket.basket_id]
            codes = numbering.next_txn_codes(at, len(plan.takes))
            lines = tuple(
                returned_line(sale.lines[take.line], take.first, take.last, code)
                for take, code in zip(plan.takes, codes, strict=True)
            )
        bill = Bill(
            modify_code=numbering.next_modify_code(),
            kind=kind,
            key=key,
            vouch_code=numbering.next_vouch_code(at, branch, kind),
            branch=branch,
            customer=customers[basket.household_id],
            at=at,
            lines=lines,
            affiliate_code=_affiliate_code(basket.basket_id) if plan is None else "",
            return_of=sales[basket.basket_id].number if plan else "",
        )
        if plan is None:
            sales[basket.basket_id] = bill
        yield bill


def _affiliate_code(basket_id: str) -> str:
    if roll(100, basket_id, "affiliate") >= AFFILIATE_PERCENT:
        return ""
    return choose(AFFILIATE_CODES, basket_id, "affiliate code")


def _branches(baskets: Sequence[Basket]) -> dict[int, Branch]:
    """Give each store a branch, with the stores of one household in one city if there is room."""
    visits: dict[int, Counter[int]] = {}
    for basket in baskets:
        visits.setdefault(basket.household_id, Counter())[basket.store_id] += 1
    placed: dict[int, tuple[int, int]] = {}
    taken: Counter[int] = Counter()
    for _, stores in sorted(visits.items()):
        for store in sorted(stores, key=lambda store: (-stores[store], store)):
            if store in placed:
                continue
            known: Counter[int] = Counter()
            for other in stores:
                if other in placed:
                    known[placed[other][0]] += stores[other]
            free = [n for n, city in enumerate(CITIES) if taken[n] < len(city.quarters)]
            city = max(free, key=lambda n: (known[n], -taken[n], -n))
            placed[store] = (city, taken[city])
            taken[city] += 1
    branches = {}
    for code, store in enumerate(sorted(placed), start=1):
        place, quarter = placed[store]
        city_ = CITIES[place]
        branches[store] = Branch(
            code=code,
            name=f"{city_.name} {city_.quarters[quarter]}",
            short_name=f"{city_.short}{quarter + 1}",
            city=city_.name,
            state=city_.state,
        )
    return branches


def _customers(baskets: Sequence[Basket], branches: dict[int, Branch]) -> dict[int, Customer]:
    visits: dict[int, Counter[int]] = {}
    for basket in baskets:
        visits.setdefault(basket.household_id, Counter())[basket.store_id] += 1
    customers = {}
    for place, household in enumerate(sorted(visits)):
        stores = visits[household]
        favourite = max(stores, key=lambda store: (stores[store], -store))
        customers[household] = _customer(place, household, branches[favourite])
    return customers


def _customer(place: int, household: int, home: Branch) -> Customer:
    key = str(household)
    first_name, last_name, is_woman = name_of(place)
    titles = ("Ms", "Mrs", "Mrs", "Dr") if is_woman else ("Mr", "Mr", "Mr", "Dr")
    title = choose(titles, key, "title")
    birth_on = _day(1948, 2003, key, "birth")
    grown_up = birth_on.year + 21 if birth_on else 1990
    married = title == "Mrs" or roll(3, key, "married") > 0
    pin = next(city.pin for city in CITIES if city.name == home.city)
    return Customer(
        modify_code=place + 1,
        code=household,
        title=title,
        first_name=first_name,
        last_name=last_name,
        is_woman=is_woman,
        mobile=f"+447700{900000 + place}",
        email=f"{first_name}.{last_name}@example.com".lower(),
        membership_number=f"M{100001 + place}",
        birth_on=birth_on,
        anniversary_on=_day(grown_up, grown_up + 12, key, "anniversary") if married else None,
        pin_code=f"{pin}{roll(60, key, 'pin') + 1:03d}",
        home_branch=home,
    )


def _day(first_year: int, end_year: int, key: str, what: str) -> date | None:
    """A day from the first year on and before the end year and 2026; one in six is not known."""
    if roll(6, key, what, "known") == 0:
        return None
    first, end = date(first_year, 1, 1), date(min(end_year, 2026), 1, 1)
    return first + timedelta(days=roll((end - first).days, key, what))
