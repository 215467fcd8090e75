"""Clicks: noted before the answer, brought into the database soon after, counted once.

`note_visit` writes a line into the journal of this machine; `drain_journal` reads it back and
`record_visits` decides, under the lock of the link, which visits are clicks. A click has a name of
its own from the start, so that whatever is read twice is written once.
"""

import json
import logging
import threading
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import DatabaseError, transaction
from django.utils import timezone

from affiliates.engine import (
    REPEAT_WINDOW,
    Counted,
    Visit,
    Visitor,
    find_repeats,
    in_order,
    kept_parameters,
    recognise,
    referrer_host,
)
from affiliates.events import ReachCounted
from affiliates.gateways import ClickJournal, claimed_sheets
from affiliates.models import Click, Link, ReachDay
from affiliates.models.reach import new_click_id
from affiliates.selectors import program_zone
from affiliates.selectors.risk import visitor_hash
from loyalty_site.common.network import network_of
from loyalty_site.common.rows import insert_missing_rows, insert_rows, update_rows
from loyalty_site.outbox.services import publish

logger = logging.getLogger(__name__)

NOISE_KEPT = timedelta(days=30)
CLICKS_KEPT = timedelta(days=400)
"""Longer than a browser keeps a cookie, so a click that may still count is always there."""

_AT_A_TIME = 1_000
_SHEETS_AT_A_TIME = 20
_REMEMBERED = 50_000
_WRITTEN = (
    "public_id",
    "link_id",
    "kind",
    "first_id",
    "visitor_hash",
    "sub_id",
    "utm",
    "referrer_host",
    "paid_parameters",
    "clicked_at",
    "recorded_at",
)


# --- noting -------------------------------------------------------------------------------------


def make_visit(
    *,
    link_id: int,
    method: str,
    headers: Mapping[str, str],
    query: Mapping[str, str],
    address: str,
    at: datetime,
) -> Visit:
    """What is kept of a request for a link; `address` is the caller's and goes into a hash only."""
    sub_id, utm, paid = kept_parameters(query)
    # An IPv6 subscriber changes addresses within a network all the time.
    agent = headers.get("user-agent", "")
    return Visit(
        public_id=new_click_id(),
        link_id=link_id,
        visitor=recognise(method, headers),
        visitor_hash=visitor_hash(network=network_of(address), agent=agent),
        clicked_at=at,
        sub_id=sub_id,
        utm=utm,
        referrer_host=referrer_host(headers.get("referer", "")),
        paid_parameters=paid,
    )


class _Recent:
    """The clicks of the last hour that this process has answered, by link and visitor."""

    def __init__(self) -> None:
        self._clicks: dict[tuple[int, str], tuple[datetime, str]] = {}
        self._lock = threading.Lock()

    def first(self, visit: Visit) -> str:
        """The public id of the click that a visit repeats, else its own."""
        key = (visit.link_id, visit.visitor_hash)
        with self._lock:
            at, public_id = self._clicks.get(key, (visit.clicked_at, visit.public_id))
            if abs(visit.clicked_at - at) >= REPEAT_WINDOW:
                at, public_id = visit.clicked_at, visit.public_id
            # What was touched last stands last, so the oldest go first.
            self._clicks.pop(key, None)
            self._clicks[key] = (at, public_id)
            if len(self._clicks) > _REMEMBERED:
                del self._clicks[next(iter(self._clicks))]
        return public_id

    def clear(self) -> None:
        with self._lock:
            self._clicks.clear()


recent_clicks = _Recent()


@lru_cache(maxsize=4)
def _journal(folder: Path) -> ClickJournal:
    return ClickJournal(folder)


def note_visit(visit: Visit) -> str:
    """Keep a visit, before it is answered; returns the id of the click that it counts as.

    An empty text for what is not a person, and when neither journal nor database takes it: then
    the visitor still arrives, but does not count.
    """
    is_kept = _into_journal(visit) or _into_database(visit)
    return recent_clicks.first(visit) if is_kept and visit.visitor is Visitor.PERSON else ""


def _into_journal(visit: Visit) -> bool:
    try:
        _journal(settings.CLICK_JOURNAL).append(_as_line(visit))
    except OSError as error:
        logger.error("the click journal cannot be written: %s", error)
        return False
    return True


def _into_database(visit: Visit) -> bool:
    try:
        record_visits(visits=[visit])
    except DatabaseError:
        logger.exception("a click is lost")
        return False
    return True


def _as_line(visit: Visit) -> str:
    # `asdict` would copy all of it, deeply.
    given = {name: getattr(visit, name) for name in Visit.__slots__}
    return json.dumps(given, default=str, separators=(",", ":"))


def _from_line(line: str) -> Visit:
    # A newer version of this program may have written more than this one knows of.
    given: dict[str, Any] = {
        name: value for name, value in json.loads(line).items() if name in Visit.__slots__
    }
    given["visitor"] = Visitor(given["visitor"])
    given["clicked_at"] = datetime.fromisoformat(given["clicked_at"])
    return Visit(**given)


def seal_journal() -> None:
    """Let what this process has noted so far be drained at once."""
    _journal(settings.CLICK_JOURNAL).seal()


# --- draining -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class DrainReport:
    """What one call found: files, visits in them, and lines that were damaged."""

    files: int
    visits: int
    damaged: int


def drain_journal() -> DrainReport:
    """Bring the oldest closed journal files of this machine into the database, then remove them.

    Cut off anywhere, it is repeated by the next call without counting anything twice. Two calls at
    once take different files.
    """
    with claimed_sheets(settings.CLICK_JOURNAL, limit=_SHEETS_AT_A_TIME) as sheets:
        visits = in_order(_from_line(line) for sheet in sheets for line in sheet.lines)
        damaged = sum(sheet.damaged for sheet in sheets)
        if damaged:
            logger.error("%s damaged lines in the click journal were left out", damaged)
        for start in range(0, len(visits), _AT_A_TIME):
            record_visits(visits=visits[start : start + _AT_A_TIME])
    return DrainReport(files=len(sheets), visits=len(visits), damaged=damaged)


@transaction.atomic
def record_visits(*, visits: Sequence[Visit], now: datetime | None = None) -> dict[str, str]:
    """Write visits down and count them, each public id once, whatever is repeated.

    Returns the id of the click that each new visit of a person counts as, by public id. Visits of
    links that are gone, and those older than what is kept, are left out. The number of queries does
    not depend on the number of visits.
    """
    now = now or timezone.now()
    visits = [one for one in visits if one.clicked_at > now - _kept(one.visitor)]
    links = (
        Link.objects.select_for_update(no_key=True)
        .filter(pk__in={visit.link_id for visit in visits})
        .order_by("pk")
    )
    link_ids = set(links.values_list("pk", flat=True))
    # Read under the lock of the links, so nobody else writes the same.
    known = set(
        Click.objects.filter(public_id__in=[visit.public_id for visit in visits]).values_list(
            "public_id", flat=True
        )
    )
    fresh = {
        visit.public_id: visit
        for visit in visits
        if visit.link_id in link_ids and visit.public_id not in known
    }
    repeats = find_repeats(fresh.values(), _counted_near(fresh.values()))
    _insert([one for one in fresh.values() if one.public_id not in repeats], {}, now)
    if repeats:
        firsts = dict(
            Click.objects.filter(public_id__in=set(repeats.values())).values_list("public_id", "pk")
        )
        pks = {public_id: firsts[first] for public_id, first in repeats.items()}
        _insert([fresh[public_id] for public_id in repeats], pks, now)
    zone = ZoneInfo(program_zone())
    counts = Counter(
        (
            visit.link_id,
            timezone.localdate(visit.clicked_at, zone),
            _kind(visit, is_repeat=visit.public_id in repeats),
        )
        for visit in fresh.values()
    )
    _add(counts)
    return {
        key: repeats.get(key, key) for key, one in fresh.items() if one.visitor is Visitor.PERSON
    }


def _kept(visitor: Visitor) -> timedelta:
    return CLICKS_KEPT if visitor is Visitor.PERSON else NOISE_KEPT


def _kind(visit: Visit, *, is_repeat: bool) -> str:
    return Click.Kind.REPEAT.value if is_repeat else visit.visitor.value


def _counted_near(visits: Iterable[Visit]) -> list[Counted]:
    people = [visit for visit in visits if visit.visitor is Visitor.PERSON]
    if not people:
        return []
    times = [visit.clicked_at for visit in people]
    rows = Click.objects.filter(
        kind=Click.Kind.PERSON,
        link_id__in={visit.link_id for visit in people},
        visitor_hash__in={visit.visitor_hash for visit in people},
        clicked_at__gt=min(times) - REPEAT_WINDOW,
        clicked_at__lt=max(times) + REPEAT_WINDOW,
    ).order_by("clicked_at")
    return [
        Counted(*row)
        for row in rows.values_list("link_id", "visitor_hash", "clicked_at", "public_id")
    ]


def _insert(visits: Sequence[Visit], firsts: Mapping[str, int], now: datetime) -> None:
    rows = [
        (
            visit.public_id,
            visit.link_id,
            _kind(visit, is_repeat=visit.public_id in firsts),
            firsts.get(visit.public_id),
            visit.visitor_hash,
            visit.sub_id,
            visit.utm,
            visit.referrer_host,
            visit.paid_parameters,
            visit.clicked_at,
            now,
        )
        for visit in visits
    ]
    insert_rows(Click, _WRITTEN, rows)


def _add(counts: Mapping[tuple[int, date, str], int]) -> None:
    """Add to the counts of days, and tell it; the links are locked by the caller."""
    if not counts:
        return
    keys = sorted(counts)
    insert_missing_rows(ReachDay, ("link_id", "day", "kind", "count"), [(*key, 0) for key in keys])
    days = ReachDay.objects.filter(
        link_id__in={key[0] for key in keys}, day__in={key[1] for key in keys}
    )
    rows = [
        (row.pk, row.count + counts[key])
        for row in days
        if (key := (row.link_id, row.day, row.kind)) in counts
    ]
    update_rows(ReachDay, ("id", "count"), rows)
    publish(ReachCounted(day=day) for day in sorted({day for _, day, _ in keys}))


# --- what else counts, and what goes ------------------------------------------------------------


@transaction.atomic
def count_share(*, link: Link, at: datetime | None = None) -> None:
    """Count that an affiliate went off to share a link."""
    locked = Link.objects.select_for_update(no_key=True).get(pk=link.pk)
    day = timezone.localdate(at, ZoneInfo(program_zone()))
    _add({(locked.pk, day, str(ReachDay.Kind.SHARE)): 1})


def prune_clicks(*, now: datetime | None = None, limit: int = 5_000) -> int:
    """Remove a bounded number of old rows: noise after 30 days, clicks after 400.

    Clicks that something refers to stay, and so do the counts of the days.
    """
    now = now or timezone.now()
    people = [Click.Kind.PERSON, Click.Kind.REPEAT]
    noise = Click.objects.filter(clicked_at__lt=now - NOISE_KEPT).exclude(kind__in=people)
    old = Click.objects.filter(clicked_at__lt=now - CLICKS_KEPT, touches=None)
    removed = 0
    for rows in (
        noise,
        old.filter(kind=Click.Kind.REPEAT),
        old.filter(kind=Click.Kind.PERSON, repeats=None),
    ):
        pks = list(rows.order_by("clicked_at").values_list("pk", flat=True)[: limit - removed])
        removed += Click.objects.filter(pk__in=pks).delete()[0] if pks else 0
    return removed
