"""What can be asked of the ledger, and what it answers. Points are whole numbers."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import Any, ClassVar

from loyalty.engine.expiry import NEVER
from loyalty_site.common.errors import DomainError

MAX_POINTS = 2**53


class Shortfall(StrEnum):
    """What happens when points are taken back that were already spent."""

    DEBT = "may_go_negative"
    ZERO = "down_to_zero"
    PENDING = "pending_only"


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One movement of points; `reference` names its cause, once per account for ever.

    Commands that share a non-empty `group` are posted all together or not at all. `slides_to`
    is set where activity prolongs points: lots that slide then live at least until that day.
    """

    kind: ClassVar[str]

    account_id: int
    reference: str
    reason: str
    occurred_at: datetime
    purchase_id: int | None = None
    actor_id: int | None = None
    details: Mapping[str, Any] = field(default_factory=dict)
    group: str = ""
    slides_to: date | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Award(Command):
    """Give points that live until the end of `expires_on`; with `slides`, activity prolongs that.

    `qualifying` is what counts for the next tier, `desired` what the rules gave before a limit
    trimmed it; both are the points themselves unless given.
    """

    kind: ClassVar[str] = "award"
    points: int
    expires_on: date = NEVER
    slides: bool = False
    qualifying: int | None = None
    desired: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pend(Command):
    """Announce points that become usable on a day, or when the event `awaits` arrives.

    Those not usable by the end of `cancels_on` are cancelled. `lifetime` is the written form of
    the expiry policy that starts when they become usable. They count for tiers at once.
    """

    kind: ClassVar[str] = "pend"
    points: int
    activates_on: date | None = None
    awaits: str = ""
    cancels_on: date | None = None
    lifetime: Mapping[str, Any] = field(default_factory=dict)
    qualifying: int | None = None
    desired: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Activate(Command):
    """Make what is left of announced points usable; `entry_id` announced them.

    Posts nothing when none are left.
    """

    kind: ClassVar[str] = "activate"
    entry_id: int
    expires_on: date = NEVER
    slides: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancel(Command):
    """Give up what is left of announced points; posts nothing when none are left."""

    kind: ClassVar[str] = "cancel"
    entry_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Redeem(Command):
    """Spend points; refused when fewer are available."""

    kind: ClassVar[str] = "redeem"
    points: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceHold(Command):
    """Set points aside until `expires_at`; refused when fewer are available. Writes no entry."""

    kind: ClassVar[str] = "hold"
    points: int
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Capture(Command):
    """Spend held points, all or part of them; the rest is free again. Posts a redemption.

    A hold is settled once: refused when it was used, released or ran out before.
    """

    kind: ClassVar[str] = "redeem"
    hold_reference: str
    points: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Release(Command):
    """Free held points; `ran_out` if nobody asked for it.

    Writes an entry, of no points, only where the freed ones fill a debt.

    Releasing a released hold again changes nothing; one that was used is refused.
    """

    kind: ClassVar[str] = "release"
    hold_reference: str
    ran_out: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Adjust(Command):
    """Correct by hand: signed points; a negative correction is refused beyond the available."""

    kind: ClassVar[str] = "adjust"
    points: int
    expires_on: date = NEVER


@dataclass(frozen=True, slots=True, kw_only=True)
class ClawBack(Command):
    """Take back points of a purchase: those on their way first, then its own lots, then others.

    `qualifying` is what no longer counts for the next tier, the points themselves unless given.
    """

    kind: ClassVar[str] = "claw_back"
    points: int
    shortfall: Shortfall = Shortfall.DEBT
    qualifying: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GiveBack(Command):
    """Give spent points back, so that `total` of the redemption `entry_id` are back in all.

    They return to their lots with their expiry; where that has passed they live until
    `grace_until`, or expire at once without one. Posts nothing when that many are back already.
    """

    kind: ClassVar[str] = "give_back"
    entry_id: int
    total: int
    grace_until: date | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Expire(Command):
    """Close every lot whose last usable day is before `on`; posts nothing if none is due."""

    kind: ClassVar[str] = "expire"
    on: date
    reference: str = ""
    reason: str = "Points expired"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reverse(Command):
    """Undo one entry, once; spent points that return keep their lots and expiry."""

    kind: ClassVar[str] = "reverse"
    entry_id: int
    shortfall: Shortfall = Shortfall.DEBT
    expires_on: date = NEVER


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer(Command):
    """Move available points to another account; they keep their expiry."""

    kind: ClassVar[str] = "transfer"
    to_account_id: int
    points: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Merge(Command):
    """Move all an account has, also debt and points on their way, to another, and close it.

    Repeated under another reference, it passes on what came in since.
    """

    kind: ClassVar[str] = "transfer"
    to_account_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Separate(Command):
    """Undo a merge: open the account again and move back what is left of its points."""

    kind: ClassVar[str] = "transfer"
    from_account_id: int


@dataclass(slots=True, kw_only=True, eq=False)
class Entry:
    """A ledger line as the ledger answers it; `id` is None until it is written."""

    account_id: int
    seq: int
    kind: str
    points: int
    requested: int
    balance_after: int
    reference: str
    reason: str
    occurred_at: datetime
    pending: int = 0
    qualifying: int = 0
    purchase_id: int | None = None
    actor_id: int | None = None
    reverses_id: int | None = None
    details: Mapping[str, Any] = field(default_factory=dict)
    id: int | None = None


@dataclass(slots=True, eq=False, kw_only=True)
class Held:
    """Points set aside; `state` is open, captured, released or expired."""

    account_id: int
    reference: str
    points: int
    reason: str
    expires_at: datetime
    state: str = "open"
    actor_id: int | None = None
    entry: Entry | None = None
    id: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The answer to one command: its entries, or the refusal.

    The command's own entry is the last one; points that fell due meanwhile expire in entries
    before it, or after it when what was given back had expired. `entry` finds it. Commands
    about holds answer with the hold.
    """

    entries: tuple[Entry, ...] = ()
    replayed: bool = False
    refusal: DomainError | None = None
    own: Entry | None = None
    hold: Held | None = None

    @property
    def entry(self) -> Entry:
        """The command's own entry.

        Raises:
            DomainError: the command was refused.
        """
        if self.refusal is not None:
            raise self.refusal
        if self.own is None:
            raise LookupError("this command posted nothing")
        return self.own
