"""Many awards of a caller at once, each once by the caller's key."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from django.db import IntegrityError, transaction

from customers.models import Customer
from loyalty.errors import AccountNotFoundError, ReferenceReusedError
from loyalty.ledger import Entry
from loyalty.models import PointsEntry, Program
from loyalty.services.accounts import open_accounts
from loyalty.services.points import PointsRequest, award_points_batch
from loyalty_site.common.errors import DomainError
from loyalty_site.staff.models import User

_LONGEST_REFERENCE = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerAward:
    """Points (whole, above zero) for a customer; `key` is the caller's own."""

    customer_id: int
    points: int
    reason: str
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AwardResult:
    """What became of one award: its entry, or why there is none."""

    award: CustomerAward
    entry: Entry | None = None
    replayed: bool = False
    refusal: DomainError | None = None


def award_customers(
    *, program: Program, awards: Sequence[CustomerAward], acting_user: User
) -> list[AwardResult]:
    """Give points to many customers; each award answers for itself, in a constant number of
    queries. Sending it again answers with the entries of the first time.

    Raises:
        ReferenceReusedError: another call used one of the keys at the same moment; try again.
    """
    references = [_reference(acting_user, award.key) for award in awards]
    try:
        with transaction.atomic():
            return _award(program, awards, references, acting_user)
    except IntegrityError as error:
        raise ReferenceReusedError(reference="one of them") from error


def _award(
    program: Program, awards: Sequence[CustomerAward], references: Sequence[str], user: User
) -> list[AwardResult]:
    known = (
        Customer.objects.live()
        .filter(pk__in={award.customer_id for award in awards})
        .values_list("pk", flat=True)
    )
    accounts = open_accounts(program=program, customer_ids=known)
    # A key stands for one call, whoever that was about.
    owners = dict(
        PointsEntry.objects.filter(reference__in=references).values_list("reference", "account_id")
    )
    requests: dict[int, PointsRequest] = {}
    refusals: dict[int, DomainError] = {}
    for place, (award, reference) in enumerate(zip(awards, references, strict=True)):
        account = accounts.get(award.customer_id)
        if account is None:
            refusals[place] = AccountNotFoundError()
        elif owners.setdefault(reference, account.pk) != account.pk:
            refusals[place] = ReferenceReusedError(reference=award.key)
        else:
            requests[place] = PointsRequest(
                account=account, points=award.points, reference=reference, reason=award.reason
            )
    outcomes = award_points_batch(
        program=program, requests=list(requests.values()), acting_user=user
    )
    posted = dict(zip(requests, outcomes, strict=True))
    results: list[AwardResult] = []
    for place, award in enumerate(awards):
        outcome = posted.get(place)
        refusal = outcome.refusal if outcome else refusals[place]
        entry = outcome.own if outcome and refusal is None else None
        if outcome and outcome.replayed and entry and entry.reason != award.reason:
            entry, refusal = None, ReferenceReusedError(reference=award.key)
        results.append(
            AwardResult(
                award=award,
                entry=entry,
                replayed=bool(outcome and outcome.replayed and entry),
                refusal=refusal,
            )
        )
    return results


def _reference(user: User, key: str) -> str:
    reference = f"api:{user.pk}:{key}"
    if len(reference) > _LONGEST_REFERENCE:
        return f"api:{uuid.uuid5(uuid.NAMESPACE_OID, reference)}"
    return reference
