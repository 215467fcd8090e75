"""Which baskets come back, when, and how much of them."""

from datetime import date, datetime, time, timedelta
from typing import NamedTuple

from sandbox.logic_erp.dataset import Basket
from sandbox.logic_erp.seeds import roll

RETURNED_PER_MILLE = 33  # of those that can come back, which makes 3 % of all
LAST_DAY = 20
MEASURED_GOODS = 100  # quantities above are fuel and the like


class Take(NamedTuple):
    """Units first to last (exclusive) of one line of the basket, counted from 0."""

    line: int
    first: int
    last: int


class PlannedReturn(NamedTuple):
    """One return of some of a basket's units."""

    at: datetime
    takes: tuple[Take, ...]


def plan_returns(basket: Basket, newest_on: date) -> list[PlannedReturn]:
    """Return the basket's returns, oldest first; no unit comes back twice.

    Basket and newest day are in the same calendar, shifted or not.
    """
    room = min(LAST_DAY, (newest_on - basket.at.date()).days)
    if room < 1 or not _may_come_back(basket):
        return []
    key = basket.basket_id
    parts = (1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2, 3)[roll(14, key, "parts")]
    times = sorted(_return_time(basket, part, room) for part in range(parts))
    if parts == 1 and roll(2, key, "whole"):
        whole = tuple(Take(n, 0, line.quantity) for n, line in enumerate(basket.lines))
        return [PlannedReturn(times[0], whole)]
    returned = [0] * len(basket.lines)
    plans = []
    for part, at in enumerate(times):
        if takes := _some_takes(basket, part, returned):
            plans.append(PlannedReturn(at, tuple(takes)))
            for take in takes:
                returned[take.line] = take.last
    return plans


def _may_come_back(basket: Basket) -> bool:
    return (
        roll(1000, basket.basket_id, "returned") < RETURNED_PER_MILLE
        and any(line.net for line in basket.lines)
        and all(line.quantity <= MEASURED_GOODS for line in basket.lines)
    )


def _return_time(basket: Basket, part: int, room: int) -> datetime:
    day = basket.at.date() + timedelta(days=1 + roll(room, basket.basket_id, "day", str(part)))
    minutes = roll(11 * 60, basket.basket_id, "minute", str(part))
    return datetime.combine(day, time(10)) + timedelta(minutes=minutes)


def _some_takes(basket: Basket, part: int, returned: list[int]) -> list[Take]:
    """Some units that are left: each line with two chances in five, or else the dearest."""
    key = basket.basket_id
    left = [n for n, line in enumerate(basket.lines) if returned[n] < line.quantity]
    worth = [n for n in left if basket.lines[n].net]
    if not worth:
        return []
    chosen = [n for n in left if roll(5, key, "line", str(part), str(n)) < 2]
    if not any(basket.lines[n].net for n in chosen):
        chosen = [max(worth, key=lambda n: basket.lines[n].net)]
    takes = []
    for n in chosen:
        rest = basket.lines[n].quantity - returned[n]
        units = 1 + roll(rest, key, "units", str(part), str(n))
        takes.append(Take(n, returned[n], returned[n] + units))
    return takes
