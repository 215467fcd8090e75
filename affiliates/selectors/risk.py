"""Fraud checks, held commissions and disputes, as people read them."""

from affiliates.engine.risk import Limits
from affiliates.models import RiskPolicy


def risk_policy() -> RiskPolicy:
    """The shop's rules, or the shipped ones."""
    return RiskPolicy.objects.order_by("pk").first() or RiskPolicy()


def limits_of(policy: RiskPolicy) -> Limits:
    """The rules as the checks take them."""
    sites = (line.strip().casefold().strip(".") for line in policy.banned_referrers.splitlines())
    return Limits(
        per_hour=policy.per_hour,
        per_day=policy.per_day,
        usual_factor=policy.usual_factor,
        strangers=policy.strangers,
        counter_share=policy.counter_share,
        counter_bills=policy.counter_bills,
        late_returns=policy.late_returns,
        allows_paid_clicks=policy.allows_paid_clicks,
        banned_referrers=frozenset(site for site in sites if site),
    )
