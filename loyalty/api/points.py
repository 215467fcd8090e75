"""Points of one customer: award, redeem, account, entries, explanations."""

import uuid
from typing import Any, ClassVar

import django_filters
from django.db import connection
from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import generics, serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from customers.models import Customer
from loyalty.errors import AccountNotFoundError, EntryNotFoundError, ReferenceReusedError
from loyalty.ledger import Outcome
from loyalty.models import Account, PointsEntry, Program
from loyalty.selectors import (
    account_overview,
    explain_entry,
    get_account,
)
from loyalty.services import (
    award_points,
    default_program,
    open_accounts,
    redeem_points,
)
from loyalty_site.common.rows import read_instance
from loyalty_site.common.serializers import (
    LineField,
    StrictIntegerField,
    StrictSerializer,
)
from loyalty_site.staff.idempotency import HEADER, REPLAYED, idempotency_key

KEY_PARAMETER = OpenApiParameter(
    HEADER,
    str,
    OpenApiParameter.HEADER,
    description="Your own key of this call. Sending it again repeats the answer, not the effect.",
)


class PointsRequestSerializer(StrictSerializer):
    """Points for one customer."""

    customer_id = StrictIntegerField(min_value=1)
    points = StrictIntegerField(min_value=1, max_value=100_000_000)
    description = LineField(max_length=200)


class PostedSerializer(serializers.Serializer[Any]):
    """The entry that a call wrote; `balance` is the balance right after it."""

    entry_id = serializers.IntegerField()
    customer_id = serializers.IntegerField()
    points = serializers.IntegerField()
    balance = serializers.IntegerField()
    description = serializers.CharField()


class _PointsView(APIView):
    """One movement of points; the ledger itself repeats the answer of a repeated key."""

    serializer_class = PointsRequestSerializer

    def move(self, account: Account, points: int, reference: str, reason: str) -> Outcome:
        """Post the movement."""
        raise NotImplementedError

    @extend_schema(
        request=PointsRequestSerializer,
        responses={201: PostedSerializer},
        parameters=[KEY_PARAMETER],
    )
    def post(self, request: Request) -> Response:
        given = _BODY.run_validation(request.data)
        customer_id, reason = given["customer_id"], given["description"]
        key = idempotency_key(request) or uuid.uuid4().hex
        reference = f"api:{request.user.pk}:{key}"
        if len(reference) > _LONGEST_REFERENCE:
            reference = f"api:{uuid.uuid5(uuid.NAMESPACE_OID, reference)}"
        outcome = self.move(account_of(customer_id), given["points"], reference, reason)
        entry = outcome.entry
        if outcome.replayed and entry.reason != reason:
            raise ReferenceReusedError(reference=key)
        return Response(
            {
                "entry_id": entry.id,
                "customer_id": customer_id,
                "points": entry.points,
                "balance": entry.balance_after,
                "description": entry.reason,
            },
            status=status.HTTP_201_CREATED,
            headers={REPLAYED: "true"} if outcome.replayed else None,
        )


_LONGEST_REFERENCE = 120
# Made once, like the child of a list: a serializer of one's own copies every field anew.
_BODY = PointsRequestSerializer()


# Read on every award: composing this by the ORM takes longer than the award itself.
# Columns that an award does not look at are read only if somebody asks for them.
_ACCOUNT = ("id", "program_id", "customer_id", "tier_id")
_PROGRAM = ("id", "zone", "expiry", "tier_expiry", "milestones")
_FIND = """
    SELECT a.id, a.program_id, a.customer_id, a.tier_id,
           p.id, p.zone, p.expiry, p.tier_expiry, p.milestones
    FROM loyalty_account a JOIN loyalty_program p ON p.id = a.program_id
    WHERE a.customer_id = %s ORDER BY a.id LIMIT 1"""


def account_of(customer_id: int) -> Account:
    """A customer's account, opened if this is the first time.

    Raises:
        AccountNotFoundError: there is no such customer.
    """
    with connection.cursor() as cursor:
        cursor.execute(_FIND, [customer_id])
        row = cursor.fetchone()
    if row:
        account = read_instance(Account, _ACCOUNT, row[: len(_ACCOUNT)])
        account.program = read_instance(Program, _PROGRAM, row[len(_ACCOUNT) :])
        return account
    if not Customer.objects.live().filter(pk=customer_id).exists():
        raise AccountNotFoundError()
    return open_accounts(program=default_program(), customer_ids=[customer_id])[customer_id]


class AwardView(_PointsView):
    """Give points."""

    required_permissions: ClassVar = {"POST": "loyalty.award_points"}

    def move(self, account: Account, points: int, reference: str, reason: str) -> Outcome:
        user: Any = self.request.user
        return award_points(
            account=account, points=points, reference=reference, reason=reason, acting_user=user
        )


class RedeemView(_PointsView):
    """Spend points."""

    required_permissions: ClassVar = {"POST": "loyalty.redeem_points"}

    def move(self, account: Account, points: int, reference: str, reason: str) -> Outcome:
        user: Any = self.request.user
        return redeem_points(
            account=account, points=points, reference=reference, reason=reason, acting_user=user
        )


class ExpiringSerializer(serializers.Serializer[Any]):
    """Points that end together."""

    points = serializers.IntegerField()
    last_day = serializers.DateField()


class TierProgressSerializer(serializers.Serializer[Any]):
    """Where the customer stands on the ladder."""

    tier = serializers.CharField(allow_null=True)
    next_tier = serializers.CharField(allow_null=True)
    spend = serializers.DecimalField(max_digits=14, decimal_places=2)
    missing = serializers.DecimalField(max_digits=14, decimal_places=2)
    percent = serializers.IntegerField()


class AccountSerializer(serializers.Serializer[Any]):
    """An account's standing."""

    customer_id = serializers.IntegerField(source="account.customer_id")
    balance = serializers.IntegerField(source="account.balance")
    available = serializers.IntegerField(source="account.available")
    pending = serializers.IntegerField(source="account.pending")
    held = serializers.IntegerField(source="account.held")
    debt = serializers.IntegerField(source="account.debt")
    worth = serializers.DecimalField(max_digits=14, decimal_places=2)
    currency = serializers.CharField(source="account.program.currency")
    expiring = ExpiringSerializer(many=True)
    tier_progress = TierProgressSerializer(source="progress")


class AccountView(APIView):
    """A customer's points account."""

    required_permissions: ClassVar = {"GET": "loyalty.view_account"}

    @extend_schema(responses=AccountSerializer)
    def get(self, request: Request, customer_id: int) -> Response:
        return Response(AccountSerializer(account_overview(get_account(customer_id))).data)


class EntrySerializer(serializers.ModelSerializer[PointsEntry]):
    """One line of the ledger."""

    number = serializers.IntegerField(source="seq")
    balance = serializers.IntegerField(source="balance_after")

    class Meta:
        model = PointsEntry
        fields = [
            "id",
            "number",
            "kind",
            "points",
            "balance",
            "reason",
            "reference",
            "purchase_id",
            "reverses_id",
            "occurred_at",
            "recorded_at",
        ]


class EntryFilter(django_filters.FilterSet):  # type: ignore[misc]
    """Entries by kind and time."""

    occurred_from = django_filters.IsoDateTimeFilter("occurred_at", lookup_expr="gte")
    occurred_until = django_filters.IsoDateTimeFilter("occurred_at", lookup_expr="lt")

    class Meta:
        model = PointsEntry
        fields = ["kind"]


class EntriesView(generics.ListAPIView[PointsEntry]):
    """The entries of an account, newest first."""

    required_permissions: ClassVar = {"GET": "loyalty.view_pointsentry"}
    serializer_class = EntrySerializer
    filterset_class = EntryFilter
    queryset = PointsEntry.objects.none()

    def get_queryset(self) -> QuerySet[PointsEntry]:
        return PointsEntry.objects.filter(account=get_account(self.kwargs["customer_id"]))


class ExplanationSerializer(serializers.Serializer[Any]):
    """Why an entry has its points."""

    entry = EntrySerializer()
    sentences = serializers.ListField(child=serializers.CharField())
    steps = serializers.ListField(child=serializers.DictField())


class ExplainView(APIView):
    """The explanation of one entry."""

    required_permissions: ClassVar = {"GET": "loyalty.view_pointsentry"}

    @extend_schema(responses=ExplanationSerializer)
    def get(self, request: Request, customer_id: int, entry_id: int) -> Response:
        entry = (
            PointsEntry.objects.filter(pk=entry_id, account__customer_id=customer_id)
            .select_related("account__program")
            .first()
        )
        if entry is None:
            raise EntryNotFoundError()
        return Response(ExplanationSerializer(explain_entry(entry)).data)
