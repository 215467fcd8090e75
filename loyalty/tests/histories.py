"""Random histories of the ledger, and the pure model that says how they must end."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

from loyalty import ledger
from loyalty.engine import NEVER
from loyalty.ledger import (
    Activate,
    Adjust,
    Award,
    Cancel,
    Capture,
    ClawBack,
    Command,
    Expire,
    GiveBack,
    Merge,
    Outcome,
    Pend,
    PlaceHold,
    Redeem,
    Release,
    Reverse,
    Separate,
    Transfer,
)
from loyalty.ledger.commands import Shortfall
from loyalty.ledger.model import AccountState, AllocationState, Book
from loyalty.ledger.model import post as post_to_model
from loyalty.models import Account, Allocation, Hold, Lot, PendingPoints, PointsEntry
from loyalty.tests.factories import NOW, TODAY


@dataclass
class ModelLedger:
    """A whole ledger in memory, batch after batch."""

    book: Book
    entry_ids: int = 0
    lot_ids: int = 0
    entries: list[Any] = field(default_factory=list)
    allocations: list[AllocationState] = field(default_factory=list)

    @classmethod
    def of(cls, account_ids: Sequence[int], today: date) -> "ModelLedger":
        """An empty ledger with these accounts."""
        return cls(Book(today=today, accounts={pk: AccountState(id=pk) for pk in account_ids}))

    def post(self, commands: Sequence[Command], *, today: date) -> list[Outcome]:
        """Post a batch and take its rows over."""
        book = self.book
        book.today = today
        outcomes = post_to_model(book, commands)
        for entry in book.new_entries:
            self.entry_ids += 1
            entry.id = self.entry_ids
            book.entries[entry.id] = entry
        # Ids that an entry of this batch could not know yet.
        for lot in book.new_lots:
            self.lot_ids += 1
            lot.id = lot.order = self.lot_ids
            lot.entry_id = lot.entry.id if lot.entry else None
        for pending in book.new_pendings:
            pending.entry_id = pending.entry.id if pending.entry else None
        for part in book.new_allocations:
            book.allocations.setdefault(part.entry.id or 0, []).append(part)
        self.entries += book.new_entries
        self.allocations += book.new_allocations
        for rows in (
            book.new_entries,
            book.new_lots,
            book.new_pendings,
            book.new_holds,
            book.new_allocations,
        ):
            rows.clear()
        return outcomes

    def rows(self) -> dict[str, Any]:
        """The ledger's content without its ids."""
        numbers = {entry.id: (entry.account_id, entry.seq) for entry in self.entries}
        return {
            "accounts": sorted(
                (a.id, a.balance, a.pending, a.held, a.debt, a.version, a.merged_into_id or 0)
                for a in self.book.accounts.values()
            ),
            "entries": sorted(
                (
                    *(e.account_id, e.seq, e.kind, e.points, e.pending, e.qualifying),
                    *(e.requested, e.balance_after, e.reference),
                )
                for e in self.entries
            ),
            "lots": sorted(
                (*numbers[lot.entry_id], lot.points, lot.remaining, lot.expires_on, lot.slides)
                for lots in self.book.lots.values()
                for lot in lots
            ),
            "pending points": sorted(
                (*numbers[one.entry_id], one.account_id, one.points, one.remaining)
                for one in self.book.pendings
            ),
            "holds": sorted(
                (one.account_id, one.reference, one.points, one.state)
                for one in self.book.holds.values()
            ),
            "allocations": sorted(
                (*numbers[part.entry.id], numbers[part.lot.entry_id], part.points)
                for part in self.allocations
            ),
        }


def database_rows(account_ids: Sequence[int]) -> dict[str, Any]:
    """The same content, read from the database."""
    accounts = Account.objects.filter(pk__in=account_ids)
    entries = PointsEntry.objects.filter(account__in=account_ids)
    lots = Lot.objects.filter(account__in=account_ids)
    parts = Allocation.objects.filter(entry__account__in=account_ids)
    return {
        "accounts": sorted(
            (*figures, merged_into or 0)
            for *figures, merged_into in accounts.values_list(
                "pk", "balance", "pending", "held", "debt", "version", "merged_into"
            )
        ),
        "entries": sorted(
            entries.values_list(
                *("account_id", "seq", "kind", "points", "pending", "qualifying"),
                *("requested", "balance_after", "reference"),
            )
        ),
        "lots": sorted(
            lots.values_list(
                "entry__account_id", "entry__seq", "points", "remaining", "expires_on", "slides"
            )
        ),
        "pending points": sorted(
            PendingPoints.objects.filter(account__in=account_ids).values_list(
                "entry__account_id", "entry__seq", "account_id", "points", "remaining"
            )
        ),
        "holds": sorted(
            Hold.objects.filter(account__in=account_ids).values_list(
                "account_id", "reference", "points", "state"
            )
        ),
        "allocations": sorted(
            (account_id, seq, (lot_account_id, lot_seq), points)
            for account_id, seq, lot_account_id, lot_seq, points in parts.values_list(
                *("entry__account_id", "entry__seq"),
                *("lot__entry__account_id", "lot__entry__seq", "points"),
            )
        ),
    }


def random_batch(
    rng: random.Random,
    accounts: Sequence[int],
    today: date,
    entry_count: int,
    purchase_ids: Sequence[int] = (),
) -> list[Any]:
    """A few abstract commands; reversals name entries by their place in the history."""
    only_awards = rng.random() < 0.4
    return [
        _random_command(rng, accounts, today, entry_count, only_awards, purchase_ids)
        for _ in range(rng.randint(1, 6))
    ]


def _random_command(
    rng: random.Random,
    accounts: Sequence[int],
    today: date,
    entry_count: int,
    only_awards: bool,
    purchase_ids: Sequence[int],
) -> tuple[type[Command], dict[str, Any]]:
    kind = Award if only_awards else rng.choice(_KINDS)
    account_id = rng.choice(accounts)
    fields: dict[str, Any] = {
        "account_id": account_id,
        "reference": f"r{rng.randint(1, 400)}",
        "reason": "history",
        "occurred_at": NOW,
    }
    if rng.random() < 0.15 and kind is not Expire:
        fields["group"] = rng.choice("ab")
    if rng.random() < 0.2 and kind in {Award, Redeem, Capture}:
        fields["slides_to"] = today + timedelta(days=rng.randint(0, 60))
    if kind in {Award, Adjust}:
        fields["expires_on"] = rng.choice([NEVER, today + timedelta(days=rng.randint(-3, 40))])
    if kind in {Award, Activate} and rng.random() < 0.3:
        fields["slides"] = True
        fields["expires_on"] = today + timedelta(days=rng.randint(0, 20))
    if kind in {Award, Pend} and rng.random() < 0.2:
        fields["qualifying"], fields["desired"] = rng.randint(0, 9), rng.randint(100, 200)
    if kind in {Pend, ClawBack, Award, Redeem, Capture} and rng.random() < 0.6:
        fields["purchase_id"] = rng.choice(purchase_ids) if purchase_ids else None
    if kind in {Reverse, GiveBack, Activate, Cancel}:
        fields["entry_id"] = rng.randint(1, max(1, entry_count))
    if kind in {Reverse, ClawBack}:
        fields["shortfall"] = rng.choice(list(Shortfall))
    if kind in {Redeem, ClawBack, Award, Pend, PlaceHold, Transfer}:
        fields["points"] = rng.choice([rng.randint(1, 100), rng.randint(-1, 1)])
    if kind in {Capture, Release, PlaceHold}:
        name = f"h{rng.randint(1, 60)}"
        fields["reference" if kind is PlaceHold else "hold_reference"] = name
    match kind.__name__:
        case "Expire":
            fields.pop("reference")
            fields["on"] = today
        case "Adjust":
            fields["points"] = rng.randint(-60, 60)
        case "Pend":
            fields["activates_on"] = today
        case "PlaceHold":
            fields["expires_at"] = NOW
        case "Capture":
            fields["points"] = rng.choice([None, rng.randint(1, 60)])
        case "GiveBack":
            fields["total"] = rng.randint(1, 120)
            fields["grace_until"] = rng.choice([None, today + timedelta(days=9)])
        case "Transfer" | "Merge":
            fields["to_account_id"] = rng.choice(accounts)
        case "Separate":
            fields["from_account_id"] = rng.choice(accounts)
    return kind, fields


_KINDS: list[type[Command]] = [
    *[Award] * 6,
    *[Pend, Redeem, PlaceHold, Capture, ClawBack, Transfer] * 3,
    *[Activate, Cancel, Release, Adjust, Expire, Reverse, GiveBack] * 2,
    Merge,
    Separate,
]


def play(
    rng: random.Random,
    account_ids: Sequence[int],
    *,
    batches: int,
    purchase_ids: Sequence[int] = (),
) -> tuple[int, ModelLedger]:
    """Run one random history through the database and the model, comparing every answer.

    Returns how many commands ran, and the model at the end.

    Raises:
        AssertionError: an answer or the final content differs.
    """
    model = ModelLedger.of(account_ids, TODAY)
    ids: dict[int, int] = {}
    today, count = TODAY, 0
    for _ in range(batches):
        today += timedelta(days=rng.choice([0, 0, 0, 1, 5]))
        drafts = random_batch(rng, account_ids, today, model.entry_ids, purchase_ids)
        count += len(drafts)
        expected = model.post([kind(**fields) for kind, fields in drafts], today=today)
        actual = ledger.post(
            [kind(**_with_real_id(fields, ids)) for kind, fields in drafts], now=NOW, today=today
        )
        for wanted, got in zip(expected, actual, strict=True):
            assert type(wanted.refusal) is type(got.refusal), (drafts, wanted, got)
            assert wanted.replayed == got.replayed
            assert [_seen(entry) for entry in wanted.entries] == [
                _seen(entry) for entry in got.entries
            ]
            for mine, theirs in zip(wanted.entries, got.entries, strict=True):
                ids[mine.id or 0] = theirs.id or 0
    assert model.rows() == database_rows(account_ids)
    return count, model


def _with_real_id(fields: dict[str, Any], ids: dict[int, int]) -> dict[str, Any]:
    if "entry_id" not in fields:
        return fields
    return {**fields, "entry_id": ids.get(fields["entry_id"], -fields["entry_id"])}


def _seen(entry: ledger.Entry) -> tuple[Any, ...]:
    return (
        entry.account_id,
        entry.seq,
        entry.kind,
        entry.points,
        entry.pending,
        entry.balance_after,
    )
