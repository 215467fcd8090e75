"""Targets and links: where they lead is decided here, once, when they are written."""

import secrets
from collections.abc import Iterable, Sequence
from threading import Lock
from time import monotonic

from django.conf import settings
from django.db import transaction

from affiliates.engine import BentAddressError, normal_path, normal_target, split_address
from affiliates.errors import (
    InvalidAddressError,
    LinkRefusedError,
    TargetNotAllowedError,
    TooManyLinksError,
)
from affiliates.models import Enrolment, Link, Target
from affiliates.selectors.reach import (
    MAY_EARN,
    OpenLink,
    active_targets,
    find_open_link,
    first_codes,
    whole_address,
)

MOST_LINKS = 200
_SIGNS = "23456789abcdefghjkmnpqrstuvwxyz"
_RANDOM_SIGNS = 7


# --- targets ------------------------------------------------------------------------------------


@transaction.atomic
def save_target(*, target: Target) -> Target:
    """Write a target down; a new default takes the place of the old one.

    Raises:
        InvalidAddressError: the address is not a plain one of a named host or a page of ours.
    """
    try:
        # Plain HTTP is for trying things out on a machine without certificates.
        target.address = normal_target(target.address, allows_http=not settings.PRODUCTION)
    except BentAddressError as error:
        raise InvalidAddressError(field="address", problem=str(error)) from error
    if target.is_default:
        others = Target.objects.select_for_update().filter(is_default=True).exclude(pk=target.pk)
        Target.objects.filter(pk__in=[one.pk for one in others]).update(is_default=False)
    target.save()
    open_links.clear()
    return target


def default_target() -> Target:
    """Where links lead when nothing else is said; at first that is our own front page."""
    target = active_targets().first()
    if target is not None:
        return target
    has_default = Target.objects.filter(is_default=True).exists()
    return Target.objects.get_or_create(
        address="/", defaults={"name": "Our rewards", "is_default": not has_default}
    )[0]


# --- links --------------------------------------------------------------------------------------


@transaction.atomic
def create_link(*, enrolment: Enrolment, page: str = "", label: str = "") -> Link:
    """Give an affiliate a further link, to a page below one of the targets.

    `page` is a whole address, or a path below the default target.

    Raises:
        LinkRefusedError: the affiliate does not earn, or is no longer on the plan.
        TooManyLinksError: there are enough of them.
        InvalidAddressError: the page is no plain address.
        TargetNotAllowedError: no target allows it.
    """
    locked = (
        Enrolment.objects.select_for_update(of=("self",))
        .select_related("affiliate")
        .get(pk=enrolment.pk)
    )
    if locked.state != Enrolment.State.ACTIVE or not locked.affiliate.may_earn:
        raise LinkRefusedError(affiliate=locked.affiliate)
    if locked.links.count() >= MOST_LINKS:
        raise TooManyLinksError(most=MOST_LINKS)
    target, path = _place(page)
    [code] = _free_codes([""])
    return Link.objects.create(
        enrolment=locked, code=code, target=target, path=path, label=label.strip()
    )


@transaction.atomic
def open_first_links(*, enrolments: Iterable[Enrolment]) -> list[Link]:
    """Give enrolments that have no link their first one, named like their code if that is free."""
    locked = list(
        Enrolment.objects.select_for_update(of=("self",))
        .filter(
            pk__in=[enrolment.pk for enrolment in enrolments],
            state=Enrolment.State.ACTIVE,
            affiliate__state__in=MAY_EARN,
            links=None,
        )
        .order_by("pk")
    )
    if not locked:
        return []
    codes = first_codes([enrolment.pk for enrolment in locked])
    wishes = _free_codes([codes.get(enrolment.pk, "").lower() for enrolment in locked])
    target = default_target()
    return Link.objects.bulk_create(
        Link(enrolment=enrolment, code=code, target=target)
        for enrolment, code in zip(locked, wishes, strict=True)
    )


def _place(page: str) -> tuple[Target, str]:
    """The target that a page is below, and its path there."""
    page = page.strip()
    targets = {target.address: target for target in active_targets()}
    try:
        if "://" not in page:
            return default_target(), normal_path(page)
        own = page.startswith(f"{settings.PUBLIC_URL}/")
        found = split_address(page.removeprefix(settings.PUBLIC_URL) if own else page, targets)
    except BentAddressError as error:
        raise InvalidAddressError(field="page", problem=str(error)) from error
    if found is None:
        raise TargetNotAllowedError(allowed=", ".join(map(whole_address, targets.values())))
    return targets[found[0]], found[1]


def _free_codes(wishes: Sequence[str]) -> list[str]:
    """Codes of links that are free: the wished ones, or random ones that nobody mistypes."""
    taken = set(Link.objects.filter(code__in=wishes).values_list("code", flat=True))
    codes: list[str] = []
    for wish in wishes:
        code = wish
        while not code or code in taken:
            code = "".join(secrets.choice(_SIGNS) for _ in range(_RANDOM_SIGNS))
        taken.add(code)
        codes.append(code)
    return codes


def set_links_active(*, links: Sequence[Link], is_active: bool) -> int:
    """Switch links on or off; returns how many changed. Others know it within seconds."""
    changed = (
        Link.objects.filter(pk__in=[link.pk for link in links])
        .exclude(is_active=is_active)
        .update(is_active=is_active)
    )
    open_links.clear()
    return changed


# --- links in memory ----------------------------------------------------------------------------


class _OpenLinks:
    """Links that this process has looked up in the last seconds."""

    LIFE_S = 5.0
    MOST = 10_000

    def __init__(self) -> None:
        self._links: dict[str, tuple[float, OpenLink]] = {}
        self._lock = Lock()

    def find(self, code: str) -> OpenLink | None:
        """A link that leads somewhere; what changed elsewhere is known after `LIFE_S`."""
        now = monotonic()
        until, link = self._links.get(code, (0.0, None))
        if now < until:
            return link
        # Unknown codes are not remembered, or guessing would fill the memory.
        link = find_open_link(code)
        if link is not None:
            with self._lock:
                if len(self._links) >= self.MOST:
                    self._links.clear()
                self._links[code] = (now + self.LIFE_S, link)
        return link

    def clear(self) -> None:
        """Forget them: something was changed here."""
        with self._lock:
            self._links.clear()


open_links = _OpenLinks()
