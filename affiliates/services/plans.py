"""Plans: drafts, and the versions that pay."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from django.db import transaction
from django.db.models import Max
from django.utils import timezone

from affiliates.engine import Terms
from affiliates.errors import (
    InvalidTermsError,
    NoPlanDraftError,
    PlanDateError,
    PlanNameTakenError,
    PlanNotFoundError,
)
from affiliates.models import Plan, PlanDraft, PlanVersion
from loyalty_site.staff.models import User

_DAYS = {"hold_days": (0, 365), "window_days": (1, 365), "bind_days": (0, 3650)}
_USUAL = {"hold_days": 30, "window_days": 30, "bind_days": 0}


def get_plan(plan_id: int) -> Plan:
    """A plan.

    Raises:
        PlanNotFoundError: there is none of this number.
    """
    plan = Plan.objects.filter(pk=plan_id).select_related("draft").first()
    if plan is None:
        raise PlanNotFoundError()
    return plan


@transaction.atomic
def publish_plan(
    *,
    plan: Plan,
    kind: str,
    rate: Decimal,
    hold_days: int,
    window_days: int = 30,
    bind_days: int | None = 0,
    terms: Mapping[str, Any] | None = None,
    valid_from: datetime | None = None,
    acting_user: User | None = None,
) -> PlanVersion:
    """Give a plan its next version: `rate` is a percentage, or an amount of money.

    Bills made before `valid_from` (default: now) keep the earlier version; so do orders that
    were attributed already.

    Raises:
        InvalidTermsError: names what the terms lack, or what is wrong in them.
        PlanDateError: it would begin before the version that holds now.
    """
    terms = dict(terms or {})
    Terms.read(kind=kind, rate=rate, terms=terms)
    locked = Plan.objects.select_for_update().get(pk=plan.pk)
    newest = locked.versions.first()
    valid_from = valid_from or timezone.now()
    if newest is not None and valid_from < newest.valid_from:
        raise PlanDateError(field="valid_from")
    number = locked.versions.aggregate(number=Max("number"))["number"] or 0
    return PlanVersion.objects.create(
        plan=locked,
        number=number + 1,
        kind=kind,
        rate=rate,
        hold_days=hold_days,
        window_days=window_days,
        bind_days=bind_days,
        terms=terms,
        valid_from=valid_from,
        published_by=acting_user,
    )


@transaction.atomic
def create_plan(*, name: str, terms: Mapping[str, Any], acting_user: User | None = None) -> Plan:
    """Write a new plan down as a draft; nobody is paid by it before it is published.

    Raises:
        InvalidTermsError: names what the terms lack, or what is wrong in them.
        PlanNameTakenError: another plan has this name.
    """
    plan = Plan.objects.create(name=_free_name(name))
    save_draft(plan=plan, terms=terms, acting_user=acting_user)
    return plan


@transaction.atomic
def rename_plan(*, plan: Plan, name: str) -> Plan:
    """Call a plan by another name.

    Raises:
        PlanNameTakenError: another plan has this name.
    """
    locked = Plan.objects.select_for_update().get(pk=plan.pk)
    locked.name = _free_name(name, beside=locked)
    locked.save(update_fields=["name"])
    return locked


@transaction.atomic
def save_draft(
    *, plan: Plan, terms: Mapping[str, Any], acting_user: User | None = None
) -> PlanDraft:
    """Write down what a plan may say next: `kind`, `rate`, days and `terms`, as plain values.

    Raises:
        InvalidTermsError: names what the terms lack, or what is wrong in them.
    """
    written = read_draft(terms)
    Plan.objects.select_for_update().get(pk=plan.pk)
    return PlanDraft.objects.update_or_create(
        plan=plan,
        defaults={"terms": written, "saved_at": timezone.now(), "saved_by": acting_user},
    )[0]


@transaction.atomic
def discard_draft(*, plan: Plan) -> None:
    """Forget a draft; what is in force stays as it is."""
    PlanDraft.objects.filter(plan=plan).delete()


@transaction.atomic
def publish_draft(
    *, plan: Plan, valid_from: datetime | None = None, acting_user: User | None = None
) -> PlanVersion:
    """Make a plan's draft its next version.

    Raises:
        NoPlanDraftError: the plan has no draft.
        InvalidTermsError: the draft is not complete.
        PlanDateError: it would begin before the version that holds now.
    """
    Plan.objects.select_for_update().get(pk=plan.pk)
    draft = PlanDraft.objects.filter(plan=plan).first()
    if draft is None:
        raise NoPlanDraftError()
    written = draft.terms
    version = publish_plan(
        plan=plan,
        kind=written["kind"],
        rate=Decimal(written["rate"]),
        hold_days=written["hold_days"],
        window_days=written["window_days"],
        bind_days=written["bind_days"],
        terms=written["terms"],
        valid_from=valid_from,
        acting_user=acting_user,
    )
    draft.delete()
    return version


def read_draft(given: Mapping[str, Any]) -> dict[str, Any]:
    """The whole written form of a draft, with the usual days where none are given.

    Raises:
        InvalidTermsError: names what the terms lack, or what is wrong in them.
    """
    written = {**_USUAL, "terms": {}, **given}
    if unknown := sorted(written.keys() - {"kind", "rate", "terms", *_USUAL}):
        raise InvalidTermsError(field="", problem=f"“{unknown[0]}” is not known.")
    if not isinstance(written["terms"], Mapping):
        raise InvalidTermsError(field="terms", problem="Write the terms as an object.")
    for name, (least, most) in _DAYS.items():
        days = written[name]
        for_ever = name == "bind_days" and days is None
        if not for_ever and (type(days) is not int or not least <= days <= most):
            raise InvalidTermsError(
                field=name, problem=f"Give the days as a whole number from {least} to {most}."
            )
    terms_of(written)
    return {**written, "terms": dict(written["terms"])}


def terms_of(written: Mapping[str, Any]) -> Terms:
    """The terms of a draft's written form.

    Raises:
        InvalidTermsError: names what the terms lack, or what is wrong in them.
    """
    rate = written.get("rate")
    try:
        number = Decimal(rate) if isinstance(rate, str) else None
    except InvalidOperation:
        number = None
    if number is None or not number.is_finite() or not 0 < number < Decimal(10) ** 8:
        raise InvalidTermsError(
            field="rate", problem='Write the rate as a text like "5", above zero.'
        )
    if number != number.quantize(Decimal("0.0001")):
        raise InvalidTermsError(field="rate", problem="At most four digits after the point.")
    return Terms.read(kind=str(written.get("kind")), rate=number, terms=written["terms"])


def draft_of(plan: Plan) -> dict[str, Any] | None:
    """What is tried of a plan: its draft, else what it says last; None if it says nothing."""
    draft = PlanDraft.objects.filter(plan=plan).first()
    if draft is not None:
        return dict(draft.terms)
    newest = plan.versions.first()
    return written_form(newest) if newest else None


def written_form(version: PlanVersion) -> dict[str, Any]:
    """A version as a draft would be written."""
    return {
        "kind": version.kind,
        "rate": f"{version.rate.normalize():f}",
        "hold_days": version.hold_days,
        "window_days": version.window_days,
        "bind_days": version.bind_days,
        "terms": dict(version.terms),
    }


def _free_name(name: str, *, beside: Plan | None = None) -> str:
    name = name.strip()
    if not 0 < len(name) <= 80:
        raise InvalidTermsError(field="name", problem="Give it a name of up to 80 signs.")
    taken = Plan.objects.filter(name=name).first()
    if taken is not None and taken != beside:
        raise PlanNameTakenError(name=name)
    return name
