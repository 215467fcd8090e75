"""The areas of the back office; each is a sidebar entry, its lists are tabs."""

from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _


@dataclass(frozen=True, slots=True)
class Listing:
    """A list of the admin, as `app.model`."""

    model: str
    title: str | Promise

    @property
    def link(self) -> str | None:
        """Where it is; None while the model has no admin."""
        try:
            return reverse(f"admin:{self.model.replace('.', '_')}_changelist")
        except NoReverseMatch:
            return None

    def is_open_to(self, request: HttpRequest) -> bool:
        """Whether this user may look at its rows."""
        app, model = self.model.split(".")
        return request.user.has_perm(f"{app}.view_{model}") or request.user.has_perm(
            f"{app}.change_{model}"
        )


@dataclass(frozen=True, slots=True)
class Area:
    """What belongs together for the people who work with it."""

    title: str | Promise
    icon: str
    listings: tuple[Listing, ...]

    def open_listings(self, request: HttpRequest) -> list[Listing]:
        """Those of its lists that exist and that this user may see."""
        return [one for one in self.listings if one.link and one.is_open_to(request)]


AREAS = (
    Area(
        _("Members"),
        "group",
        (
            Listing("customers.customer", _("Members")),
            Listing("customers.segment", _("Segments")),
            Listing("customers.customermerge", _("Merged members")),
            Listing("loyalty.household", _("Households")),
            Listing("loyalty.referral", _("Friends brought")),
            Listing("customers.consent", _("Consents")),
        ),
    ),
    Area(
        _("Points"),
        "stars",
        (
            Listing("loyalty.account", _("Accounts")),
            Listing("loyalty.pointsentry", _("Ledger")),
            Listing("loyalty.adjustment", _("Corrections")),
            Listing("loyalty.adjustmentlimit", _("Limits")),
            Listing("loyalty.pointstransfer", _("Transfers")),
            Listing("loyalty.tierchange", _("Tier moves")),
            Listing("loyalty.jobrun", _("Nightly jobs")),
        ),
    ),
    Area(
        _("Rewards"),
        "redeem",
        (
            Listing("loyalty.reward", _("Catalogue")),
            Listing("loyalty.redemption", _("Redemptions")),
            Listing("loyalty.voucherpool", _("Codes")),
            Listing("loyalty.voucher", _("Vouchers")),
        ),
    ),
    Area(
        _("Purchases"),
        "receipt_long",
        (
            Listing("customers.purchase", _("Bills and returns")),
            Listing("loyalty.waitingbill", _("Without a customer")),
            Listing("customers.billpolicy", _("Rules for these")),
            Listing("customers.store", _("Stores")),
            Listing("customers.product", _("Products")),
        ),
    ),
    Area(
        _("Tiers & rules"),
        "workspace_premium",
        (
            Listing("loyalty.earningrule", _("Earning rules")),
            Listing("loyalty.replayjob", _("Rule replays")),
            Listing("loyalty.tier", _("Tiers")),
            Listing("loyalty.program", _("Programme")),
            Listing("loyalty.peopleterms", _("Between members")),
        ),
    ),
    Area(
        _("Affiliates"),
        "handshake",
        (
            Listing("affiliates.affiliate", _("Affiliates")),
            Listing("affiliates.commissionentry", _("Commissions")),
            Listing("affiliates.conversion", _("Bills they brought")),
            Listing("affiliates.binding", _("Bound customers")),
            Listing("affiliates.touch", _("Touches")),
            Listing("affiliates.attributionpolicy", _("Who counts")),
            Listing("affiliates.plan", _("Plans")),
            Listing("affiliates.link", _("Links")),
            Listing("affiliates.click", _("Clicks")),
            Listing("affiliates.creative", _("Texts to share")),
            Listing("affiliates.target", _("Places links lead to")),
            Listing("affiliates.enrolment", _("Who is on which")),
            Listing("affiliates.applicationpolicy", _("Applications")),
            Listing("affiliates.planreplay", _("Plan replays")),
            Listing("affiliates.payoutbatch", _("Payouts")),
            Listing("affiliates.payout", _("Single payouts")),
            Listing("affiliates.payoutdetails", _("Payout details")),
            Listing("affiliates.payoutpolicy", _("Rules for payouts")),
            Listing("affiliates.withholdingrate", _("Tax rates")),
            Listing("affiliates.heldconversion", _("Held")),
            Listing("affiliates.dispute", _("Questions")),
            Listing("affiliates.riskpolicy", _("Fraud checks")),
        ),
    ),
    Area(
        _("Messages"),
        "chat",
        (
            Listing("messaging.message", _("Sent")),
            Listing("messaging.inboundmessage", _("Received")),
            Listing("messaging.automation", _("Automations")),
            Listing("messaging.template", _("Templates")),
            Listing("messaging.channel", _("WhatsApp numbers")),
        ),
    ),
    Area(
        _("Integrations"),
        "sync_alt",
        (
            Listing("erp.connection", _("ERP connections")),
            Listing("erp.stream", _("Streams")),
            Listing("erp.syncrun", _("Runs")),
            Listing("erp.quarantine", _("Set aside")),
            Listing("erp.mappingversion", _("Mappings")),
            Listing("messaging.webhookbody", _("WhatsApp notices")),
            Listing("outbox.delivery", _("Events")),
        ),
    ),
    Area(
        _("Settings"),
        "settings",
        (
            Listing("staff.user", _("Staff and machines")),
            Listing("django_celery_beat.periodictask", _("Periodic jobs")),
            Listing("axes.accessattempt", _("Failed sign-ins")),
        ),
    ),
)


def sidebar(request: HttpRequest) -> list[dict[str, Any]]:
    """The sidebar: areas of which this user may see something, each at its first list."""
    home = reverse("admin:index")
    entries = [
        {
            "title": _("Dashboard"),
            "icon": "monitoring",
            "link": home,
            "active": request.path == home,
        }
    ]
    counter = reverse("admin:loyalty_counter")
    if request.user.has_perm("loyalty.redeem_points"):
        entries.append(
            {
                "title": _("Counter"),
                "icon": "point_of_sale",
                "link": counter,
                "active": request.path.startswith(counter),
            }
        )
    asking = reverse("admin:affiliates_counter")
    if request.user.has_perm("affiliates.add_touch"):
        entries.append(
            {
                "title": _("Who sent you?"),
                "icon": "record_voice_over",
                "link": asking,
                "active": request.path == asking,
            }
        )
    for area in AREAS:
        listings = area.open_listings(request)
        if listings:
            entries.append(
                {
                    "title": area.title,
                    "icon": area.icon,
                    "link": str(listings[0].link),
                    "active": not request.path.startswith((counter, asking))
                    and any(request.path.startswith(str(one.link)) for one in listings),
                }
            )
    return [{"items": entries}]


def tabs(request: HttpRequest) -> list[dict[str, Any]]:
    """The lists of an area, side by side above each of them."""
    return [
        {
            "models": [one.model for one in listings],
            "items": [{"title": one.title, "link": one.link} for one in listings],
        }
        for area in AREAS
        if len(listings := area.open_listings(request)) > 1
    ]


def environment(request: HttpRequest) -> list[Any]:
    """The badge that says whether this is real."""
    return [_("Production"), "success"] if settings.PRODUCTION else [_("Sandbox"), "warning"]
