"""A customer's place on the ladder in sentences, the same for the portal and the customer page."""

from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from loyalty.models import EarningRuleVersion, Program
from loyalty.selectors.standings import TierProgress
from loyalty_site.common.money import format_money, format_number


@dataclass(frozen=True, slots=True, kw_only=True)
class TierWords:
    """What there is to say; empty where nothing is."""

    way: str
    counted: str
    keeping: str
    given: str


def figure_words(program: Program, amount: Decimal) -> str:
    """Money, points or days, as the programme counts."""
    if program.tier_measure == Program.TierMeasure.SPEND:
        return format_money(amount, program.currency)
    count = int(amount)
    text = (
        ngettext("%(count)s point", "%(count)s points", count)
        if program.tier_measure == Program.TierMeasure.POINTS
        else ngettext("%(count)s day of shopping", "%(count)s days of shopping", count)
    )
    return text % {"count": format_number(count)}


def tier_words(program: Program, progress: TierProgress) -> TierWords:
    """The sentences for a customer's progress."""
    return TierWords(
        way=_way(program, progress),
        counted=_counted(program, progress),
        keeping=_keeping(program, progress),
        given=_given(progress),
    )


def _way(program: Program, progress: TierProgress) -> str:
    if progress.next_tier is None:
        return ""
    return _("%(missing)s more to %(tier)s") % {
        "missing": figure_words(program, progress.missing),
        "tier": progress.next_tier.name,
    }


def _counted(program: Program, progress: TierProgress) -> str:
    figure = figure_words(program, progress.spend)
    if program.tier_window == Program.TierWindow.ROLLING:
        return _("%(figure)s in the last %(days)s days.") % {
            "figure": figure,
            "days": program.tier_window_days,
        }
    since = _day(progress.counted_from) if progress.counted_from else ""
    return _("%(figure)s since %(day)s.") % {"figure": figure, "day": since}


def _keeping(program: Program, progress: TierProgress) -> str:
    keeping, tier = progress.keeping, progress.tier
    if keeping is None or tier is None:
        return ""
    if keeping.falls_to is None:
        # What is kept is kept for a period more, but from when on depends on the night's job.
        return _("%(tier)s is yours beyond %(day)s.") % {
            "tier": tier.name,
            "day": _day(keeping.ends_on),
        }
    return _("You move to %(lower)s on %(falls)s unless you add %(missing)s by %(last)s.") % {
        "lower": keeping.falls_to.name,
        "falls": _day(keeping.falls_on),
        "missing": figure_words(program, keeping.missing),
        "last": _day(keeping.last_chance),
    }


def _given(progress: TierProgress) -> str:
    if not progress.is_given:
        return ""
    if progress.given_until is None:
        return _("This tier was given to you for good.")
    return _("This tier was given to you until %(day)s.") % {"day": _day(progress.given_until)}


def _day(day: date) -> str:
    return date_format(day, "j M Y")


def rules_of_tiers(program: Program, today: date) -> dict[int, list[str]]:
    """The names of the rules in force that ask for a tier, by tier id; one query."""
    now = program.start_of(today + timedelta(days=1))
    versions = EarningRuleVersion.objects.filter(
        rule__program=program, valid_from__lt=now
    ).select_related("rule")
    found: dict[int, list[str]] = {}
    for version in versions.order_by("rule__name", "number"):
        if version.valid_until is not None and version.valid_until < now:
            continue
        for tier_id in version.definition.get("tiers", ()):
            found.setdefault(tier_id, []).append(version.rule.name)
    return found
