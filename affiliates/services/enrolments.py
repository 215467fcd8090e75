"""Who is on which plan, and by which codes."""

import re
import secrets
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils import timezone

from affiliates.engine import Terms, code_stem, normal_code
from affiliates.errors import (
    AlreadyEnrolledError,
    CodeTakenError,
    EnrolmentEndedError,
    InvalidCodeError,
    PlanNotPublishedError,
)
from affiliates.models import Affiliate, Code, Enrolment, Plan
from affiliates.services.reach import open_first_links

_CODE = re.compile(r"[A-Z0-9][A-Z0-9_-]{2,39}")
_DIGITS = (0, 2, 3, 4, 6, 8)


@transaction.atomic
def enrol_affiliate(
    *,
    affiliate: Affiliate,
    plan: Plan,
    code: str = "",
    valid_from: datetime | None = None,
) -> Enrolment:
    """Put an affiliate on a plan, with a code and a link; pins the plan's present hold days.

    Without a `code` one is made from the affiliate's name. Whoever left the plan comes back to
    the enrolment they had, with its codes.

    Raises:
        AlreadyEnrolledError: the affiliate is on this plan.
        PlanNotPublishedError: the plan does not say yet what it pays.
        InvalidCodeError: the code is too short, too long or has other signs.
        CodeTakenError: the code belongs to somebody.
    """
    locked = Affiliate.objects.select_for_update().get(pk=affiliate.pk)
    if locked.enrolments.filter(plan=plan, state=Enrolment.State.ACTIVE).exists():
        raise AlreadyEnrolledError(affiliate=locked, plan=plan)
    enrolment = open_enrolments(affiliates=[locked], plan=plan)[locked.pk]
    if code:
        add_code(enrolment=enrolment, text=code, valid_from=valid_from)
    else:
        draw_codes(enrolments=[enrolment], valid_from=valid_from)
    open_first_links(enrolments=[enrolment])
    return enrolment


def open_enrolments(*, affiliates: Sequence[Affiliate], plan: Plan) -> dict[int, Enrolment]:
    """Active enrolments of locked affiliates on a plan by affiliate, in five queries at most.

    Raises:
        PlanNotPublishedError: the plan does not say yet what it pays.
    """
    version = plan.versions.first()
    if version is None:
        raise PlanNotPublishedError(plan=plan)
    known = {
        enrolment.affiliate_id: enrolment
        for enrolment in Enrolment.objects.select_for_update()
        .filter(plan=plan, affiliate__in=affiliates)
        .order_by("pk")
    }
    Enrolment.objects.filter(pk__in=[one.pk for one in known.values()]).update(
        state=Enrolment.State.ACTIVE
    )
    new = Enrolment.objects.bulk_create(
        Enrolment(affiliate=affiliate, plan=plan, hold_days=version.hold_days)
        for affiliate in affiliates
        if affiliate.pk not in known
    )
    for enrolment in known.values():
        enrolment.state = Enrolment.State.ACTIVE
    return known | {enrolment.affiliate_id: enrolment for enrolment in new}


def draw_codes(
    *, enrolments: Iterable[Enrolment], valid_from: datetime | None = None
) -> dict[int, str]:
    """Give each enrolment that has no code one made from its affiliate's name.

    Returns the new codes by enrolment. The number of queries does not depend on the enrolments.
    """
    wanting = {enrolment.pk: enrolment for enrolment in enrolments}
    drawn: dict[int, str] = {}
    for pk in Code.objects.filter(enrolment__in=wanting).values_list("enrolment_id", flat=True):
        wanting.pop(pk, None)
    for digits in _DIGITS:
        if not wanting:
            break
        texts = {pk: _made_up(one.affiliate.name, digits) for pk, one in wanting.items()}
        # In one order everywhere, so that two writers cannot wait for each other.
        Code.objects.bulk_create(
            sorted(
                (
                    Code(enrolment=wanting[pk], text=text, valid_from=valid_from or timezone.now())
                    for pk, text in texts.items()
                ),
                key=lambda code: code.text,
            ),
            ignore_conflicts=True,
        )
        won = Code.objects.filter(enrolment__in=texts, text__in=texts.values())
        for pk, text in won.values_list("enrolment_id", "text"):
            drawn[pk] = text
            del wanting[pk]
    for enrolment in wanting.values():
        raise CodeTakenError(text=code_stem(enrolment.affiliate.name))
    return drawn


def _made_up(name: str, digits: int) -> str:
    number = f"{secrets.randbelow(9 * 10 ** (digits - 1)) + 10 ** (digits - 1)}" if digits else ""
    return code_stem(name) + number


@transaction.atomic
def add_code(*, enrolment: Enrolment, text: str, valid_from: datetime | None = None) -> Code:
    """Give an enrolment a further code; capitals and small letters are the same.

    Raises:
        InvalidCodeError: the code is too short, too long or has other signs.
        CodeTakenError: the code belongs to somebody.
        EnrolmentEndedError: the affiliate left the plan.
    """
    text = normal_code(text)
    if not _CODE.fullmatch(text):
        raise InvalidCodeError(field="code")
    _lock_active(enrolment)
    code, created = Code.objects.get_or_create(
        text=text, defaults={"enrolment": enrolment, "valid_from": valid_from or timezone.now()}
    )
    if not created:
        raise CodeTakenError(text=text)
    return code


@transaction.atomic
def end_enrolment(*, enrolment: Enrolment) -> Enrolment:
    """Take an affiliate off a plan: bills that arrive from now on earn nothing by it.

    What was earned stays. Ending again changes nothing.
    """
    locked = Enrolment.objects.select_for_update().get(pk=enrolment.pk)
    locked.state = Enrolment.State.ENDED
    locked.save(update_fields=["state"])
    return locked


@transaction.atomic
def change_overrides(*, enrolment: Enrolment, overrides: Mapping[str, Any]) -> Enrolment:
    """Say what differs from the plan for this affiliate; bills attributed before keep theirs.

    Raises:
        EnrolmentEndedError: the affiliate left the plan.
        InvalidTermsError: names what cannot be so.
    """
    locked = _lock_active(enrolment)
    if (version := locked.plan.versions.first()) is not None:
        Terms.read(kind=version.kind, rate=version.rate, terms=version.terms, overrides=overrides)
    locked.overrides = dict(overrides)
    locked.save(update_fields=["overrides"])
    return locked


def _lock_active(enrolment: Enrolment) -> Enrolment:
    locked = (
        Enrolment.objects.select_related("affiliate", "plan")
        .select_for_update(of=("self",))
        .get(pk=enrolment.pk)
    )
    if locked.state != Enrolment.State.ACTIVE:
        raise EnrolmentEndedError(affiliate=locked.affiliate, plan=locked.plan)
    return locked
