"""The books: what each movement of points does to accounts, lots and entries."""

from collections.abc import Callable, Collection, Iterable, Sequence
from copy import copy
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

from loyalty.errors import (
    AccountClosedError,
    AccountNotFoundError,
    InsufficientPointsError,
    InvalidPointsError,
    ReferenceReusedError,
)
from loyalty.ledger.commands import MAX_POINTS, Command, Entry, Expire, Held
from loyalty.ledger.model.states import (
    AccountState,
    AllocationState,
    LotState,
    PendingState,
)


@dataclass(slots=True)
class Book:
    """Accounts with the lots and entries that the commands at hand can touch."""

    today: date
    accounts: dict[int, AccountState] = field(default_factory=dict)
    lots: dict[int, list[LotState]] = field(default_factory=dict)
    pendings: list[PendingState] = field(default_factory=list)
    holds: dict[tuple[int, str], Held] = field(default_factory=dict)
    known: dict[tuple[int, str], Entry] = field(default_factory=dict)
    entries: dict[int, Entry] = field(default_factory=dict)
    reversed_by: dict[int, Entry] = field(default_factory=dict)
    given_back: dict[int, list[Entry]] = field(default_factory=dict)
    allocations: dict[int, list[AllocationState]] = field(default_factory=dict)
    new_entries: list[Entry] = field(default_factory=list)
    new_lots: list[LotState] = field(default_factory=list)
    new_pendings: list[PendingState] = field(default_factory=list)
    new_holds: list[Held] = field(default_factory=list)
    new_allocations: list[AllocationState] = field(default_factory=list)

    # --- looking up -------------------------------------------------------------------------

    def open_account(self, account_id: int) -> AccountState:
        """An account that takes part.

        Raises:
            AccountNotFoundError: there is none.
            AccountClosedError: it is closed.
        """
        account = self.account(account_id)
        if account.is_closed:
            raise AccountClosedError()
        return account

    def account(self, account_id: int) -> AccountState:
        """An account, open or closed.

        Raises:
            AccountNotFoundError: there is none.
        """
        if account_id not in self.accounts:
            raise AccountNotFoundError()
        return self.accounts[account_id]

    def open_lots(self, account: AccountState, first: Collection[LotState] = ()) -> list[LotState]:
        """Lots with points left: soonest expiry first, then oldest; those of `first` before all."""
        return sorted(
            (lot for lot in self.lots.get(account.id, ()) if lot.remaining),
            key=lambda lot: (lot not in first, lot.expires_on, lot.order),
        )

    def available(self, account: AccountState) -> int:
        """What can be spent today: neither held, nor due to expire.

        A hold keeps the points that expire soonest, even beyond their last day.
        """
        return max(0, account.balance - account.held - self.overdue(account, self.today))

    def overdue(self, account: AccountState, on: date) -> int:
        """Points whose last usable day is before `on` and that no hold keeps."""
        due = sum(lot.remaining for lot in self._due(account, on))
        return max(0, due - account.held)

    def pendings_of(self, account: AccountState, purchase_id: int | None) -> list[PendingState]:
        """Points on their way that a purchase earned, newest first."""
        if purchase_id is None:
            return []
        return [
            pending
            for pending in reversed(self.pendings)
            if (pending.account_id, pending.purchase_id) == (account.id, purchase_id)
            and pending.remaining
        ]

    def allocations_of(self, entry: Entry) -> list[AllocationState]:
        """What an entry took from which lots, in the order of taking."""
        stored = self.allocations.get(entry.id or 0, ())
        return [*stored, *(part for part in self.new_allocations if part.entry is entry)]

    def _due(self, account: AccountState, on: date) -> list[LotState]:
        return [lot for lot in self.open_lots(account) if lot.expires_on < on]

    # --- moving points ----------------------------------------------------------------------

    def write(
        self,
        account: AccountState,
        command: Command,
        points: int,
        *,
        requested: int,
        pending: int = 0,
        qualifying: int = 0,
        about: Entry | None = None,
        about_id: int | None = None,
        purchase_id: int | None = None,
    ) -> Entry:
        """Write an entry; `about` (or its id) is the entry that it undoes or completes.

        Raises:
            ReferenceReusedError: the account has an entry of this reference.
        """
        if (account.id, command.reference) in self.known:
            raise ReferenceReusedError(reference=command.reference)
        account.version += 1
        account.balance += points
        account.pending += pending
        entry = Entry(
            account_id=account.id,
            seq=account.version,
            kind=command.kind,
            points=points,
            pending=pending,
            qualifying=qualifying,
            requested=requested,
            balance_after=account.balance,
            reference=command.reference,
            reason=command.reason,
            occurred_at=command.occurred_at,
            purchase_id=command.purchase_id if purchase_id is None else purchase_id,
            actor_id=command.actor_id,
            reverses_id=about.id if about else about_id,
            details=command.details,
        )
        self.new_entries.append(entry)
        self.known[account.id, command.reference] = entry
        return entry

    def open_lot(
        self,
        account: AccountState,
        entry: Entry,
        points: int,
        expires_on: date,
        *,
        slides: bool = False,
        origin: LotState | None = None,
    ) -> None:
        """Put credited points into a lot of their own; a debt is paid out of it first."""
        repaid = self.repay(account, points)
        lot = LotState(
            account_id=account.id,
            points=points,
            remaining=points - repaid,
            expires_on=expires_on,
            order=2**62 + len(self.new_lots),
            purchase_id=entry.purchase_id,
            slides=slides,
            origin=origin,
            entry=entry,
        )
        self.lots.setdefault(account.id, []).append(lot)
        self.new_lots.append(lot)
        if repaid:
            self.new_allocations.append(AllocationState(entry, lot, repaid))

    def repay(self, account: AccountState, points: int) -> int:
        """Let credited points fill a debt; returns how many it took."""
        repaid = min(account.debt, points)
        account.debt -= repaid
        return repaid

    def fill_debt(self, account: AccountState, entry: Entry) -> None:
        """Let open lots that no hold keeps pay a debt."""
        free = account.balance + account.debt - account.held
        self.take(account, entry, self.repay(account, max(0, free)))

    def take(
        self, account: AccountState, entry: Entry, points: int, first: Collection[LotState] = ()
    ) -> None:
        """Take points out of the open lots."""
        for lot in self.open_lots(account, first):
            if not points:
                break
            part = min(points, lot.remaining)
            self.allocate(entry, lot, part)
            points -= part

    def allocate(self, entry: Entry, lot: LotState, points: int) -> None:
        """Take points out of a lot, or put them back with a minus."""
        lot.remaining -= points
        self.new_allocations.append(AllocationState(entry, lot, points))

    def spend(
        self, account: AccountState, command: Command, points: int, *, requested: int | None = None
    ) -> Entry:
        """Take available points and write it down.

        Raises:
            InvalidPointsError: no positive whole number.
            InsufficientPointsError: fewer are available.
        """
        check_points(points)
        available = self.available(account)
        if points > available:
            raise InsufficientPointsError(available=available, points=points)
        self.expire_due(account, command)
        entry = self.write(
            account, command, -points, requested=-points if requested is None else requested
        )
        self.take(account, entry, points)
        return entry

    def drop_pending(self, pendings: Iterable[PendingState], points: int) -> int:
        """Give up points on their way; returns how many were there to give up."""
        left = points
        for pending in pendings:
            part = min(left, pending.remaining)
            pending.remaining -= part
            left -= part
        return points - left

    def expire_due(self, account: AccountState, command: Command) -> Entry | None:
        """Close what was last usable yesterday, on the way to another movement."""
        due = Expire(
            account_id=account.id,
            on=self.today,
            occurred_at=command.occurred_at,
            actor_id=command.actor_id,
        )
        return self.expire(account, due)

    def expire(self, account: AccountState, command: Expire) -> Entry | None:
        """Close lots whose last usable day is before `command.on`, but for what is held."""
        points = self.overdue(account, command.on)
        if not points:
            return None
        due = self._due(account, command.on)
        numbered = replace(command, reference=f"expire:{command.on}:{account.version + 1}")
        entry = self.write(account, numbered, -points, requested=-points)
        for lot in reversed(due):
            part = min(points, lot.remaining)
            if part:
                self.allocate(entry, lot, part)
                points -= part
        return entry

    def prolong(self, account: AccountState, until: date) -> None:
        """Let sliding points live at least until then; what has ended stays ended."""
        for lot in self.open_lots(account):
            if lot.slides and self.today <= lot.expires_on < until:
                lot.expires_on = until

    # --- all or nothing ---------------------------------------------------------------------

    def bookmark(self) -> Callable[[], None]:
        """Remember everything as it is; calling the answer brings it back."""
        states: list[Any] = [
            *self.accounts.values(),
            *(lot for lots in self.lots.values() for lot in lots),
            *self.pendings,
            *self.holds.values(),
        ]
        copies = [copy(state) for state in states]
        lots = {key: list(kept) for key, kept in self.lots.items()}
        given_back = {key: list(kept) for key, kept in self.given_back.items()}
        maps = dict(self.holds), dict(self.known), dict(self.reversed_by)
        rows: Sequence[list[Any]] = (
            self.pendings,
            self.new_entries,
            self.new_lots,
            self.new_pendings,
            self.new_holds,
            self.new_allocations,
        )
        lengths = [len(kept) for kept in rows]

        def restore() -> None:
            for state, kept in zip(states, copies, strict=True):
                for name in state.__slots__:
                    setattr(state, name, getattr(kept, name))
            self.lots, self.given_back = lots, given_back
            self.holds, self.known, self.reversed_by = maps
            for kept_rows, length in zip(rows, lengths, strict=True):
                del kept_rows[length:]

        return restore


def is_valid(points: Any) -> bool:
    """Whether this is a positive whole number of points within bounds."""
    return type(points) is int and 0 < points < MAX_POINTS


def check_points(points: Any) -> None:
    """Refuse what is no positive whole number of points.

    Raises:
        InvalidPointsError: zero, negative, too large, or no integer.
    """
    if not is_valid(points):
        raise InvalidPointsError(limit=MAX_POINTS, field="points")
