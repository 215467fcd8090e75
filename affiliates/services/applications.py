"""Applying, being invited, and what staff decide about it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.timezone import localtime

from affiliates.engine import FOLLOWS
from affiliates.errors import (
    AlreadyAffiliateError,
    ApplicationsClosedError,
    ApplicationTooSoonError,
    DecisionRefusedError,
    NotInvitedError,
    PlanNeededError,
    ReasonNeededError,
    TooManyApplicationsError,
)
from affiliates.models import Affiliate, ApplicationPolicy, Code, Enrolment, Plan
from affiliates.selectors import application_policy
from affiliates.services.enrolments import draw_codes, open_enrolments
from affiliates.services.people import checked_name, checked_website, take_recruiter
from affiliates.services.steps import record_steps
from customers.models import Customer
from loyalty_site.common.errors import DomainError
from loyalty_site.staff.models import User

_LONGEST_REASON = 200
_LONGEST_ABOUT = 1000


@transaction.atomic
def apply_as_affiliate(
    *,
    customer: Customer,
    agreed_to: str,
    name: str = "",
    about: str = "",
    website: str = "",
    recruiter: Affiliate | None = None,
    now: datetime | None = None,
) -> Affiliate:
    """A customer wants to become an affiliate and agrees to the terms that `agreed_to` words.

    While an application waits, a further one only brings it up to date. `recruiter` counts for
    somebody whom nobody recruited before.

    Raises:
        ApplicationsClosedError: the shop takes none.
        AlreadyAffiliateError: the customer is an affiliate, or was suspended.
        ApplicationTooSoonError, TooManyApplicationsError: after a rejection.
        InvalidApplicationError: a field cannot be so.
    """
    now = now or timezone.now()
    policy = application_policy()
    website = checked_website(website)
    name = checked_name(name or customer.name)
    Customer.objects.select_for_update(no_key=True).get(pk=customer.pk)
    known = Affiliate.objects.select_for_update(no_key=True).filter(customer=customer).first()
    if known is None and not policy.is_open:
        raise ApplicationsClosedError()
    affiliate = known or Affiliate(customer=customer)
    is_waiting = known is not None and known.state == Affiliate.State.APPLIED
    if known is not None and not is_waiting:
        _refuse_again(known, policy, now)
    affiliate.name, affiliate.website, affiliate.about = name, website, about.strip()
    affiliate.about = affiliate.about[:_LONGEST_ABOUT]
    affiliate.agreed_at, affiliate.agreed_to = now, agreed_to
    if is_waiting:
        affiliate.save()
        return affiliate
    affiliate.state, affiliate.applied_at = Affiliate.State.APPLIED, now
    affiliate.save()
    if recruiter is not None:
        take_recruiter(affiliate=affiliate, recruiter=recruiter)
        affiliate.refresh_from_db(fields=["parent"])
    record_steps(affiliates=[affiliate], state=Affiliate.State.APPLIED, now=now)
    return affiliate


def _refuse_again(affiliate: Affiliate, policy: ApplicationPolicy, now: datetime) -> None:
    """Whoever was rejected may come back after a while, a few times."""
    if affiliate.state != Affiliate.State.REJECTED:
        raise AlreadyAffiliateError(customer_id=affiliate.customer_id)
    if not policy.is_open:
        raise ApplicationsClosedError()
    made = affiliate.steps.filter(state=Affiliate.State.APPLIED).count()
    if made >= policy.most_applications:
        raise TooManyApplicationsError()
    again_at = (affiliate.decided_at or now) + timedelta(days=policy.again_after_days)
    if again_at > now:
        raise ApplicationTooSoonError(day=date_format(localtime(again_at), "j F Y"))


@transaction.atomic
def answer_affiliate_invitation(
    *, affiliate: Affiliate, accepts: bool, agreed_to: str = "", now: datetime | None = None
) -> Affiliate:
    """What an invited affiliate answers. Whoever declines keeps what they earned before.

    Raises:
        NotInvitedError: there is no open invitation.
    """
    now = now or timezone.now()
    locked = Affiliate.objects.select_for_update(no_key=True).get(pk=affiliate.pk)
    if locked.state != Affiliate.State.INVITED:
        raise NotInvitedError()
    if accepts:
        locked.agreed_at, locked.agreed_to = now, agreed_to
        locked.save(update_fields=["agreed_at", "agreed_to"])
    record_steps(
        affiliates=[locked],
        state=Affiliate.State.APPROVED if accepts else Affiliate.State.REJECTED,
        reason="Accepted the invitation." if accepts else "Declined the invitation.",
        codes=_codes_of([locked]),
        now=now,
    )
    return locked


@dataclass(frozen=True, slots=True)
class Decision:
    """What became of one affiliate: taken to the state, or refused."""

    affiliate: Affiliate
    refusal: DomainError | None = None


@transaction.atomic
def decide_affiliates(
    *,
    affiliates: Sequence[Affiliate],
    state: Affiliate.State,
    acting_user: User,
    reason: str = "",
    plan: Plan | None = None,
    now: datetime | None = None,
) -> list[Decision]:
    """Approve, reject or suspend; one result for each, in the order of their numbers.

    Whoever is approved and on no plan joins `plan`, or else the plan of new affiliates, with a
    code of their name. What was earned stays. The number of queries does not depend on how many.

    Raises:
        ReasonNeededError: rejecting and suspending need one.
        PlanNotPublishedError: the plan does not say yet what it pays.
    """
    now = now or timezone.now()
    reason = reason.strip()[:_LONGEST_REASON]
    if state != Affiliate.State.APPROVED and not reason:
        raise ReasonNeededError(field="reason")
    locked = list(
        Affiliate.objects.select_for_update(no_key=True)
        .filter(pk__in=[affiliate.pk for affiliate in affiliates])
        .order_by("pk")
    )
    refusals = {one.pk: refusal for one in locked if (refusal := _refusal(one, state))}
    allowed = [one for one in locked if one.pk not in refusals]
    codes: dict[int, str] = {}
    if state == Affiliate.State.APPROVED and allowed:
        plan = plan or application_policy().plan
        active = Enrolment.objects.filter(affiliate__in=allowed, state=Enrolment.State.ACTIVE)
        placed = set(active.values_list("affiliate_id", flat=True))
        homeless = [one for one in allowed if one.pk not in placed]
        if plan is None:
            refusals |= {one.pk: PlanNeededError(affiliate=one) for one in homeless}
            allowed = [one for one in allowed if one.pk in placed]
        elif homeless:
            draw_codes(enrolments=open_enrolments(affiliates=homeless, plan=plan).values())
        codes = _codes_of(allowed)
    record_steps(
        affiliates=allowed,
        state=state,
        reason=reason,
        acting_user=acting_user,
        codes=codes,
        now=now,
    )
    return [Decision(one, refusals.get(one.pk)) for one in locked]


def _refusal(affiliate: Affiliate, state: Affiliate.State) -> DomainError | None:
    if affiliate.state in FOLLOWS[state]:
        return None
    return DecisionRefusedError(
        affiliate=affiliate, state=affiliate.get_state_display().lower(), wanted=state.label.lower()
    )


def _codes_of(affiliates: Sequence[Affiliate]) -> dict[int, str]:
    """A code that earns for each; one query."""
    codes = Code.objects.filter(
        enrolment__affiliate__in=affiliates, enrolment__state=Enrolment.State.ACTIVE
    )
    return dict(codes.order_by("-pk").values_list("enrolment__affiliate_id", "text"))
