"""What needs a person."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Count, QuerySet, Value
from django.utils.translation import gettext as _

from affiliates.models import Affiliate, Dispute, HeldConversion
from erp.models import Connection, Quarantine
from loyalty_site.outbox.models import Delivery
from messaging.models import Channel, Message, WebhookBody


@dataclass(frozen=True, slots=True, kw_only=True)
class Concern:
    """Rows that wait for a person, and the admin list that shows them."""

    key: str
    title: str
    advice: str
    rows: QuerySet[Any]
    model: str
    filters: dict[str, str]

    @property
    def permission(self) -> str:
        """What one needs to be shown it."""
        app, model = self.model.split(".")
        return f"{app}.view_{model}"


@dataclass(frozen=True, slots=True)
class Attention:
    """A concern that has rows now."""

    concern: Concern
    count: int


def concerns() -> list[Concern]:
    """Everything that the dashboard watches, the most urgent first."""
    return [
        Concern(
            key="channels",
            title=_("WhatsApp numbers stopped"),
            advice=_("No messages go out until this is put right."),
            rows=Channel.objects.filter(state=Channel.State.STOPPED),
            model="messaging.channel",
            filters={"state__exact": "stopped"},
        ),
        Concern(
            key="connections",
            title=_("ERP connections stopped"),
            advice=_("No bills come in until this is put right."),
            rows=Connection.objects.filter(state=Connection.State.NEEDS_ATTENTION),
            model="erp.connection",
            filters={"state__exact": "needs_attention"},
        ),
        Concern(
            key="parked",
            title=_("Events that could not be handled"),
            advice=_("Ten tries failed. Look at the reason, then try again."),
            rows=Delivery.objects.filter(state=Delivery.State.PARKED),
            model="outbox.delivery",
            filters={"state__exact": "parked"},
        ),
        Concern(
            key="set_aside",
            title=_("ERP documents set aside"),
            advice=_("They could not be read. Correct the mapping, then try them again."),
            rows=Quarantine.objects.filter(state=Quarantine.State.OPEN),
            model="erp.quarantine",
            filters={"state__exact": "open"},
        ),
        Concern(
            key="unconfirmed",
            title=_("Messages without confirmation"),
            advice=_("WhatsApp's answer was lost. They are not sent again by themselves."),
            rows=Message.objects.filter(state=Message.State.UNCONFIRMED),
            model="messaging.message",
            filters={"state__exact": "unconfirmed"},
        ),
        Concern(
            key="webhooks",
            title=_("WhatsApp notices that could not be read"),
            advice=_("They are kept and can be applied again."),
            rows=WebhookBody.objects.filter(state=WebhookBody.State.PARKED),
            model="messaging.webhookbody",
            filters={"state__exact": "parked"},
        ),
        Concern(
            key="applications",
            title=_("Applications of affiliates"),
            advice=_("Somebody wants to recommend the shop and waits for an answer."),
            rows=Affiliate.objects.filter(state=Affiliate.State.APPLIED),
            model="affiliates.affiliate",
            filters={"state__exact": "applied"},
        ),
        Concern(
            key="held_commissions",
            title=_("Commissions held"),
            advice=_("Something looked odd. Release or refuse them; until then nothing is paid."),
            rows=HeldConversion.objects.filter(
                review=HeldConversion.Review.OPEN, enrolment__isnull=False
            ),
            model="affiliates.heldconversion",
            filters={},
        ),
        Concern(
            key="disputes",
            title=_("Questions of affiliates"),
            advice=_("Somebody misses a commission and waits for an answer."),
            rows=Dispute.objects.filter(state=Dispute.State.OPEN),
            model="affiliates.dispute",
            filters={"state__exact": "open"},
        ),
    ]


def attention(watched: Sequence[Concern]) -> list[Attention]:
    """Those concerns that have rows, in one query."""
    if not watched:
        return []
    counts = [
        concern.rows.order_by()
        .annotate(concern=Value(concern.key))
        .values("concern")
        .annotate(count=Count("pk"))
        for concern in watched
    ]
    found = {row["concern"]: row["count"] for row in counts[0].union(*counts[1:], all=True)}
    return [Attention(concern, found[concern.key]) for concern in watched if found.get(concern.key)]
