"""Staff say who brought a bill."""

from django.db import transaction

from affiliates.errors import ManualCommissionExistsError, NotEligibleError, ReasonMissingError
from affiliates.models import CommissionEntry, Conversion, Enrolment, ManualAttribution
from affiliates.selectors import describe_candidates
from affiliates.services.settling import granted_reference, settle_commissions
from customers.models import Purchase
from loyalty_site.staff.models import User


@transaction.atomic
def attribute_manually(
    *, purchase: Purchase, enrolment: Enrolment | None, reason: str, acting_user: User
) -> Conversion:
    """Say who brought a bill, or with None that nobody did; commissions follow at once.

    Of a return its sale is meant. Saying the same again changes nothing.

    Raises:
        ReasonMissingError: why is not said.
        ManualCommissionExistsError: a commission was granted by hand for this bill.
        NotEligibleError: this affiliate cannot earn on it.
    """
    reason = reason.strip()[:200]
    if not reason:
        raise ReasonMissingError(field="reason")
    sale = Purchase.objects.select_for_update(no_key=True).get(pk=purchase.sale_id or purchase.pk)
    if CommissionEntry.objects.filter(reference=granted_reference(sale.pk)).exists():
        raise ManualCommissionExistsError(number=sale.number)
    last = ManualAttribution.objects.filter(purchase=sale).first()
    if last is None or last.enrolment_id != (enrolment.pk if enrolment else None):
        ManualAttribution.objects.create(
            purchase=sale, enrolment=enrolment, reason=reason, decided_by=acting_user
        )
    settle_commissions(purchase_ids=[sale.pk])
    conversion = Conversion.objects.filter(purchase=sale).first()
    if enrolment is not None and (conversion is None or conversion.enrolment_id != enrolment.pk):
        raise NotEligibleError(
            affiliate=enrolment.affiliate, number=sale.number, why=_objection(conversion)
        )
    if conversion is None:
        raise NotEligibleError(affiliate="Nobody", number=sale.number, why="It has no amount.")
    return conversion


def _objection(conversion: Conversion | None) -> str:
    first = describe_candidates(conversion)[:1] if conversion else []
    return first[0].why if first and first[0].rung == "manual" else "The bill has no amount."
