"""Links, where they lead, and what came of them."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db.models import F, IntegerField, OuterRef, QuerySet, Subquery, Sum, Value
from django.db.models.functions import Coalesce
from django.utils import timezone

from affiliates.engine import join_address
from affiliates.errors import LinkNotFoundError
from affiliates.models import (
    Affiliate,
    Click,
    Code,
    Creative,
    Enrolment,
    Link,
    PlanVersion,
    ReachDay,
    Target,
)

MAY_EARN = (Affiliate.State.APPROVED, Affiliate.State.INVITED)
_CODE = re.compile(r"[a-z0-9][a-z0-9_-]{2,39}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenLink:
    """All that an answer to `/r/<code>` needs to know of a link that works."""

    link_id: int
    code: str
    address: str
    title: str
    shop_code: str
    window_days: int


def find_open_link(code: str) -> OpenLink | None:
    """A link that leads somewhere now, by one indexed read."""
    if not _CODE.fullmatch(code):
        return None
    link = _open_links().filter(code=code).first()
    if link is None:
        return None
    address = join_address(link.target.address, link.path)
    if not address:
        return None
    return OpenLink(
        link_id=link.pk,
        code=link.code,
        address=address,
        title=link.target.name,
        shop_code=link.shop_code,
        window_days=link.window_days,
    )


def _open_links() -> QuerySet[Any]:
    plan = PlanVersion.objects.filter(
        plan=OuterRef("enrolment__plan"), valid_from__lte=timezone.now()
    )
    codes = Code.objects.filter(enrolment=OuterRef("enrolment"))
    return (
        Link.objects.filter(
            is_active=True,
            target__is_active=True,
            enrolment__state=Enrolment.State.ACTIVE,
            enrolment__affiliate__state__in=MAY_EARN,
        )
        .select_related("target")
        .annotate(
            window_days=Coalesce(
                Subquery(plan.order_by("-number").values("window_days")[:1]), Value(30)
            ),
            shop_code=Coalesce(Subquery(codes.order_by("pk").values("text")[:1]), Value("")),
        )
    )


def short_address(code: str) -> str:
    """The address of a link as people share it."""
    return f"{settings.PUBLIC_URL}/r/{code}"


def whole_address(target: Target) -> str:
    """A target's address as people can copy it; pages of ours stand on our own host."""
    own = target.address.startswith("/")
    return f"{settings.PUBLIC_URL}{target.address}" if own else target.address


def get_link(link_id: int, *, affiliate: Affiliate | None = None) -> Link:
    """A link, with its affiliate; of this affiliate only if one is given.

    Raises:
        LinkNotFoundError: there is none, or it is somebody else's.
    """
    links = Link.objects.select_related("target", "enrolment__affiliate")
    if affiliate is not None:
        links = links.filter(enrolment__affiliate=affiliate)
    link = links.filter(pk=link_id).first()
    if link is None:
        raise LinkNotFoundError()
    return link


def with_counts(links: QuerySet[Link]) -> QuerySet[Any]:
    """Links with `click_count`, `repeat_count`, `preview_count`, `bot_count` and `share_count`.

    One query. Among the bots are prefetches and requests for the head only.
    """
    kind = ReachDay.Kind
    kinds = {
        "click_count": [kind.PERSON],
        "repeat_count": [kind.REPEAT],
        "preview_count": [kind.PREVIEW],
        "bot_count": [kind.BOT, kind.PREFETCH, kind.HEAD],
        "share_count": [kind.SHARE],
    }
    days = ReachDay.objects.filter(link=OuterRef("pk"))
    return links.annotate(
        **{
            name: Coalesce(
                Subquery(
                    days.filter(kind__in=wanted)
                    .order_by()
                    .values("link")
                    .annotate(total=Sum("count"))
                    .values("total"),
                    output_field=IntegerField(),
                ),
                Value(0),
            )
            for name, wanted in kinds.items()
        }
    )


def links_of(affiliate: Affiliate) -> QuerySet[Any]:
    """An affiliate's links with their counts, oldest first."""
    links = Link.objects.filter(enrolment__affiliate=affiliate).select_related(
        "target", "enrolment__plan"
    )
    return with_counts(links).order_by("pk")


def first_codes(enrolment_ids: Iterable[int]) -> Mapping[int, str]:
    """The first code of each enrolment."""
    codes = Code.objects.filter(enrolment_id__in=enrolment_ids).order_by("-pk")
    return dict(codes.values_list("enrolment_id", "text"))


def active_targets() -> QuerySet[Target]:
    """Where links may lead, the default first."""
    return Target.objects.filter(is_active=True).order_by(F("is_default").desc(), "name")


def front_page() -> tuple[str, str]:
    """Name and address of where visitors are welcome who followed a link that does not work."""
    target = active_targets().first()
    address = join_address(target.address, "") if target else ""
    return (target.name, address) if target and address else ("", "/")


@dataclass(frozen=True, slots=True)
class FilledCreative:
    """A creative with an affiliate's link and code in it."""

    id: int
    title: str
    text: str


def filled_creatives(*, link: str, code: str) -> list[FilledCreative]:
    """The texts that affiliates may use, for one link and code."""
    creatives = Creative.objects.filter(is_active=True)[:50]
    return [
        FilledCreative(one.pk, one.title, one.text.replace("{link}", link).replace("{code}", code))
        for one in creatives
    ]


def resolve_click(public_id: str) -> Click | None:
    """The click of a person that an id stands for; for a repeat, the click that counts.

    A click is known some seconds after it was made. Robots and previews have no ids that resolve.
    """
    click = (
        Click.objects.select_related("first__link__enrolment", "link__enrolment")
        .filter(public_id=public_id, kind__in=[Click.Kind.PERSON, Click.Kind.REPEAT])
        .first()
    )
    return click and (click.first or click)
