"""Bills in their current state: sent as often as one likes, only the difference takes effect."""

import zlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import reduce
from operator import or_

from django.db import IntegrityError, connection, transaction
from django.db.models import Q
from django.utils import timezone

from customers.errors import InvalidPurchaseError
from customers.events import PurchaseRecorded
from customers.models import BillPolicy, Purchase, PurchaseLine
from customers.selectors import phone_index, survivors_of
from customers.services.catalog import ProductState, product_ids, store_ids
from customers.services.purchase_states import Bill, LineRow, PurchaseState, read_bill
from customers.services.strangers import Named, name_customers
from loyalty_site.common.rows import insert_rows, update_rows
from loyalty_site.outbox.services import publish

Key = tuple[str, str]

_TRIES = 3
_HOLD_CUSTOMERS = (
    "SELECT id, merged_into_id FROM customers_customer WHERE id = ANY(%s) ORDER BY id FOR KEY SHARE"
)
_LINKING_LOCK = zlib.crc32(b"customers.link_returns")
_STATE_COLUMNS = (
    "number",
    "kind",
    "status",
    "standing",
    "store_id",
    "customer_id",
    "phone_index",
    "claimed_at",
    "sale_id",
    "sale_external_id",
    "occurred_at",
    "currency",
    "gross",
    "discount",
    "tax",
    "net",
    "tenders",
    "codes",
    "content_hash",
    "version",
    "updated_at",
)
_NEW_COLUMNS = ("source", "external_id", "recorded_at", *_STATE_COLUMNS)
_LINE_VALUES = ("product_id", "quantity", "gross", "discount", "tax", "net", "returns_key")


@dataclass(frozen=True, slots=True, kw_only=True)
class PurchaseChange:
    """What became of one bill.

    `previous_…` tell the state before; they are None for a new bill, and equal to the present
    state where nothing changed.
    """

    purchase: Purchase
    is_new: bool
    is_changed: bool
    previous_customer_id: int | None = None
    previous_status: str | None = None
    previous_standing: str | None = None
    previous_store_id: int | None = None
    previous_sale_id: int | None = None
    previous_occurred_at: datetime | None = None


@transaction.atomic
def upsert_purchases(*, states: Sequence[PurchaseState]) -> list[PurchaseChange]:
    """Record bills as they are now, in a constant number of queries.

    Answers one change per state, in their order, and after these one for each return that
    waited for a sale of this batch and is applied now. What is as it was is not written. Of a
    bill that is given twice the last state counts. A return whose sale is not known waits
    (`no_sale`); a sale without customer waits for one (`no_customer`), unless the shop's policy
    registers the phone on it or leaves it to nobody. A customer who was merged stands for the
    one who took over, and a bill that was claimed stays claimed when its source still does not
    know whose it is.

    Raises:
        InvalidPurchaseError: a bill is not plausible, names an unknown customer, or turned from
            sale to return; nothing of the batch is written.
    """
    bills = {state.key: read_bill(state) for state in states}
    if not bills:
        return []
    upsert = _upsert(bills, name_customers(states))
    publish(event_of(change) for change in upsert.changes.values() if change.is_changed)
    given = [upsert.changes[state.key] for state in states]
    linked = [change for key, change in upsert.changes.items() if key not in bills]
    return given + linked


def event_of(change: PurchaseChange) -> PurchaseRecorded:
    purchase = change.purchase
    return PurchaseRecorded(
        purchase_id=purchase.pk,
        purchase_version=purchase.version,
        customer_id=purchase.customer_id,
        store_id=purchase.store_id,
        kind=purchase.kind,
        occurred_at=purchase.occurred_at,
        previous_occurred_at=change.previous_occurred_at,
        previous_store_id=change.previous_store_id,
        previous_sale_id=change.previous_sale_id,
    )


def _upsert(bills: dict[Key, Bill], named: dict[Key, Named]) -> "_Upsert":
    """Try until no other process records one of the same new bills at the same time."""
    for _ in range(_TRIES - 1):
        try:
            with transaction.atomic():
                return _Upsert(bills, named)
        except IntegrityError:
            continue
    with transaction.atomic():
        return _Upsert(bills, named)


class _Upsert:
    """One attempt to write a batch; `changes` holds its outcome by bill."""

    def __init__(self, bills: dict[Key, Bill], named: dict[Key, Named]) -> None:
        self.changes: dict[Key, PurchaseChange] = {}
        self._bills = bills
        self._named = named
        self._now = timezone.now()
        self._new: list[Purchase] = []
        self._changed: list[Purchase] = []
        self._rewritten: list[Purchase] = []
        self._refuse_unknown_customers()
        self._stores = store_ids(
            {bill.state.store_code: bill.state.store_name for bill in bills.values()}
        )
        self._products = product_ids(
            ProductState(line.sku, line.product_name, line.category, line.brand)
            for bill in bills.values()
            for line in bill.state.lines
        )
        self._sale_ids = self._take_turn()
        known, waiting = self._lock()
        for key, bill in bills.items():
            self._compare(key, bill, known.get(key))
        self._insert_new(Purchase.Kind.SALE)
        self._link_returns([*self._new, *self._changed], waiting)
        self._insert_new(Purchase.Kind.RETURN)
        update_rows(
            Purchase,
            ("id", *_STATE_COLUMNS),
            [_values(purchase, ("pk", *_STATE_COLUMNS)) for purchase in self._changed],
        )
        self._write_lines()

    # --- before anything is written -------------------------------------------------------------

    def _refuse_unknown_customers(self) -> None:
        self._survivors: dict[int, int] = {}
        named = {
            bill.state.customer_id
            for bill in self._bills.values()
            if bill.state.customer_id is not None
        }
        if not named:
            return
        self._survivors = _hold_customers(named)
        missing = named - self._survivors.keys()
        for bill in self._bills.values():
            if bill.state.customer_id in missing:
                raise InvalidPurchaseError(
                    field="customer_id",
                    number=bill.state.number,
                    reason="There is no such customer.",
                )

    def _take_turn(self) -> dict[Key, int]:
        """The known sales that returns name, and the right to go on.

        Batches pass side by side, but one with a return whose sale is not there goes alone:
        otherwise two processes, one with the return and one with its sale, could each miss the
        other's row, and the return would wait for ever. SQLite has one writer anyway.
        """
        named = {
            sale_key
            for bill in self._bills.values()
            if (sale_key := _sale_key(bill.state)) and sale_key not in self._bills
        }
        sale_ids = _find_sales(named)
        if connection.vendor == "postgresql":
            is_complete = named <= sale_ids.keys()
            shared = "_shared" if is_complete else ""
            with connection.cursor() as cursor:
                cursor.execute(f"SELECT pg_advisory_xact_lock{shared}(%s)", [_LINKING_LOCK])
            if not is_complete:
                sale_ids = _find_sales(named)
        return sale_ids

    def _lock(self) -> tuple[dict[Key, Purchase], list[Purchase]]:
        """The bills that are here already, and returns that wait for a sale of this batch."""
        by_source: dict[str, list[str]] = defaultdict(list)
        for source, external_id in self._bills:
            by_source[source].append(external_id)
        found = reduce(
            or_,
            (
                Q(source=source, external_id__in=external_ids)
                | Q(
                    source=source,
                    sale_external_id__in=external_ids,
                    standing=Purchase.Standing.NO_SALE,
                )
                for source, external_ids in by_source.items()
            ),
        )
        known: dict[Key, Purchase] = {}
        waiting: list[Purchase] = []
        for purchase in (
            Purchase.objects.filter(found).order_by("pk").select_for_update(no_key=True)
        ):
            key = (purchase.source, purchase.external_id)
            if key in self._bills:
                known[key] = purchase
            else:
                waiting.append(purchase)
        return known, waiting

    # --- deciding -------------------------------------------------------------------------------

    def _compare(self, key: Key, bill: Bill, known: Purchase | None) -> None:
        if known is None:
            purchase = Purchase(source=key[0], external_id=key[1], recorded_at=self._now, version=0)
            self._take_over(purchase, bill)
            self._new.append(purchase)
            self._rewritten.append(purchase)
            self.changes[key] = PurchaseChange(purchase=purchase, is_new=True, is_changed=True)
            return
        is_changed = known.content_hash != bill.content_hash
        self.changes[key] = change_of(known, is_changed=is_changed)
        if known.kind == Purchase.Kind.SALE:
            self._sale_ids[key] = known.pk
        if is_changed:
            if known.kind != bill.state.kind:
                raise InvalidPurchaseError(
                    field="kind",
                    number=bill.state.number,
                    reason=f"It was recorded as a {known.kind} before.",
                )
            self._take_over(known, bill)
            self._changed.append(known)
            self._rewritten.append(known)

    def _take_over(self, purchase: Purchase, bill: Bill) -> None:
        state = bill.state
        purchase.number = state.number
        purchase.kind = state.kind
        purchase.status = state.status
        purchase.store_id = self._stores[state.store_code]
        self._give(purchase, state)
        purchase.sale_external_id = state.sale_external_id
        purchase.occurred_at = state.occurred_at
        purchase.currency = state.currency
        purchase.gross, purchase.discount, purchase.tax, purchase.net = bill.totals
        purchase.tenders = bill.tenders
        purchase.codes = bill.codes
        purchase.content_hash = bill.content_hash
        purchase.version += 1
        purchase.updated_at = self._now

    def _give(self, purchase: Purchase, state: PurchaseState) -> None:
        """Say whose bill it is; what was claimed is only taken away by who knows better."""
        named = self._named.get(state.key)
        if state.customer_id is not None:
            purchase.customer_id = self._survivors[state.customer_id]
            purchase.claimed_at = None
        elif purchase.claimed_at is None:
            purchase.customer_id = named.customer_id if named else None
        is_ignored = named is not None and named.policy == BillPolicy.Unknown.IGNORE
        purchase.phone_index = phone_index(named.phone) if named and named.phone else ""
        if purchase.customer_id is not None:
            purchase.standing = Purchase.Standing.APPLIED
        elif is_ignored:
            purchase.standing = Purchase.Standing.NOBODY
        else:
            purchase.standing = Purchase.Standing.NO_CUSTOMER

    def _link_returns(self, written: Iterable[Purchase], waiting: Iterable[Purchase]) -> None:
        """Join returns to their sales; a return with a sale is applied, whoever brought it."""
        for purchase in written:
            if purchase.kind == Purchase.Kind.RETURN:
                self._link(purchase)
        for purchase in waiting:
            key = (purchase.source, purchase.external_id)
            self.changes[key] = change_of(purchase, is_changed=True)
            self._link(purchase)
            purchase.version += 1
            purchase.updated_at = self._now
            self._changed.append(purchase)

    def _link(self, purchase: Purchase) -> None:
        purchase.sale_id = self._sale_ids.get((purchase.source, purchase.sale_external_id))
        purchase.standing = (
            Purchase.Standing.APPLIED if purchase.sale_id else Purchase.Standing.NO_SALE
        )

    # --- writing --------------------------------------------------------------------------------

    def _insert_new(self, kind: Purchase.Kind) -> None:
        """Insert in the order of the key, so that two writers cannot wait for each other."""
        new = {
            (purchase.source, purchase.external_id): purchase
            for purchase in self._new
            if purchase.kind == kind
        }
        if not new:
            return
        insert_rows(
            Purchase, _NEW_COLUMNS, [_values(new[key], _NEW_COLUMNS) for key in sorted(new)]
        )
        for key, purchase_id in _find_purchases(new):
            purchase = new[key]
            purchase.pk = purchase_id
            purchase._state.adding = False
            purchase._state.db = connection.alias
            if kind == Purchase.Kind.SALE:
                self._sale_ids[key] = purchase_id

    def _write_lines(self) -> None:
        """Add, change and remove lines, matched by their key within the bill."""
        known: dict[int, dict[str, tuple[int, tuple[object, ...]]]] = defaultdict(dict)
        with_lines = [p.pk for p in self._rewritten if p.version > 1]
        if with_lines:
            for line_id, purchase_id, key, *values in PurchaseLine.objects.filter(
                purchase_id__in=with_lines
            ).values_list("id", "purchase_id", "key", *_LINE_VALUES):
                known[purchase_id][key] = line_id, tuple(values)
        added: list[tuple[object, ...]] = []
        changed: list[tuple[object, ...]] = []
        removed: list[int] = []
        for purchase in self._rewritten:
            before = known.get(purchase.pk, {})
            for line in self._bills[purchase.source, purchase.external_id].lines:
                values = self._line_values(line)
                line_id, old_values = before.pop(line.key, (None, None))
                if line_id is None:
                    added.append((purchase.pk, line.key, *values))
                elif values != old_values:
                    changed.append((line_id, *values))
            removed.extend(line_id for line_id, _ in before.values())
        if removed:
            PurchaseLine.objects.filter(pk__in=removed).delete()
        update_rows(PurchaseLine, ("id", *_LINE_VALUES), changed)
        insert_rows(PurchaseLine, ("purchase_id", "key", *_LINE_VALUES), added)

    def _line_values(self, line: LineRow) -> tuple[object, ...]:
        return (
            self._products[line.sku],
            line.quantity,
            line.gross,
            line.discount,
            line.tax,
            line.net,
            line.returns_key,
        )


def _hold_customers(customer_ids: set[int]) -> dict[int, int]:
    """Who these customers are today; they are not merged before this transaction has ended."""
    if connection.vendor != "postgresql":
        return survivors_of(customer_ids)
    with connection.cursor() as cursor:
        cursor.execute(_HOLD_CUSTOMERS, [sorted(customer_ids)])
        rows = cursor.fetchall()
    return {customer_id: merged_into_id or customer_id for customer_id, merged_into_id in rows}


def change_of(purchase: Purchase, *, is_changed: bool) -> PurchaseChange:
    """A change of a known bill; taken before the bill is touched."""
    return PurchaseChange(
        purchase=purchase,
        is_new=False,
        is_changed=is_changed,
        previous_customer_id=purchase.customer_id,
        previous_status=purchase.status,
        previous_standing=purchase.standing,
        previous_store_id=purchase.store_id,
        previous_sale_id=purchase.sale_id,
        previous_occurred_at=purchase.occurred_at,
    )


def _values(purchase: Purchase, columns: Sequence[str]) -> list[object]:
    return [getattr(purchase, column) for column in columns]


def _sale_key(state: PurchaseState) -> Key | None:
    return (state.source, state.sale_external_id) if state.sale_external_id else None


def _find_sales(keys: Iterable[Key]) -> dict[Key, int]:
    return dict(_find_purchases(keys, kind=Purchase.Kind.SALE))


def _find_purchases(
    keys: Iterable[Key], *, kind: Purchase.Kind | None = None
) -> Iterable[tuple[Key, int]]:
    by_source: dict[str, list[str]] = defaultdict(list)
    for source, external_id in keys:
        by_source[source].append(external_id)
    if not by_source:
        return
    named = reduce(or_, (Q(source=s, external_id__in=ids) for s, ids in by_source.items()))
    rows = Purchase.objects.filter(named)
    if kind is not None:
        rows = rows.filter(kind=kind)
    for purchase_id, source, external_id in rows.values_list("id", "source", "external_id"):
        yield (source, external_id), purchase_id
