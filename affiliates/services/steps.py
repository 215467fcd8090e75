"""The one place that changes an affiliate's state."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from affiliates.events import AffiliateApplied, AffiliateDecided
from affiliates.models import Affiliate, AffiliateStep, Enrolment
from affiliates.services.reach import open_first_links
from loyalty_site.outbox.services import publish
from loyalty_site.staff.models import User


def record_steps(
    *,
    affiliates: Sequence[Affiliate],
    state: Affiliate.State,
    now: datetime,
    reason: str = "",
    acting_user: User | None = None,
    codes: Mapping[int, str] | None = None,
) -> None:
    """Take locked affiliates to a state, write the step down and tell it, in a few queries.

    Whoever may earn from now on has a link to share.

    `codes` holds a code that earns by affiliate, for whoever tells them.
    """
    for affiliate in affiliates:
        affiliate.state = state
        affiliate.decided_at = None if state == Affiliate.State.APPLIED else now
        affiliate.decided_by = acting_user
        affiliate.decision_reason = reason
    Affiliate.objects.bulk_update(
        affiliates, ["state", "decided_at", "decided_by", "decision_reason"]
    )
    AffiliateStep.objects.bulk_create(
        AffiliateStep(
            affiliate=affiliate, state=state, reason=reason, taken_at=now, taken_by=acting_user
        )
        for affiliate in affiliates
    )
    if state in (Affiliate.State.APPROVED, Affiliate.State.INVITED):
        open_first_links(enrolments=Enrolment.objects.filter(affiliate__in=affiliates))
    publish(
        _applied(affiliate, now)
        if state == Affiliate.State.APPLIED
        else AffiliateDecided(
            affiliate_id=affiliate.pk,
            customer_id=affiliate.customer_id,
            state=state.value,
            reason=reason,
            code=(codes or {}).get(affiliate.pk, ""),
            occurred_at=now,
        )
        for affiliate in affiliates
    )


def _applied(affiliate: Affiliate, now: datetime) -> AffiliateApplied:
    return AffiliateApplied(
        affiliate_id=affiliate.pk,
        customer_id=affiliate.customer_id or 0,
        parent_id=affiliate.parent_id,
        occurred_at=now,
    )
