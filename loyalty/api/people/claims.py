"""Bills that customers claim as theirs."""

from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from customers.models import Store
from loyalty.api.people.customers import customer_of
from loyalty.api.purchases import SettlementSerializer
from loyalty.services import (
    claim_bill,
)
from loyalty_site.common.serializers import (
    AmountField,
    LineField,
    StrictIntegerField,
    StrictSerializer,
)


class ClaimSerializer(StrictSerializer):
    """What stands on the receipt."""

    customer_id = StrictIntegerField(min_value=1)
    number = LineField(max_length=60, help_text="The bill number.")
    store = serializers.SlugRelatedField(
        slug_field="code", queryset=Store.objects.all(), help_text="The code of the store."
    )
    bought_on = serializers.DateField()
    total = AmountField(min_value=0, help_text="What was paid, tax included.")


class ClaimsView(APIView):
    """A customer's own bill, found by its receipt."""

    required_permissions: ClassVar = {"POST": "customers.claim_purchase"}

    @extend_schema(
        operation_id="loyalty_claims_create",
        summary="Claim a bill for a customer",
        request=ClaimSerializer,
        responses={200: SettlementSerializer},
    )
    def post(self, request: Request) -> Response:
        """The bill earns by the rules of its own day. Claiming it again repeats the answer;
        wrong claims are counted, and after too many the customer waits a day."""
        body = ClaimSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        given = dict(body.validated_data)
        user: Any = request.user
        settlement = claim_bill(
            customer=customer_of(given.pop("customer_id")), acting_user=user, **given
        )
        return Response(SettlementSerializer(settlement).data)
