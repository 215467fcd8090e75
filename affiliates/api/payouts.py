"""Payouts and their batches, for integrators; maker and checker are different users here, too."""

from collections.abc import Callable
from typing import Any, ClassVar, cast

import django_filters
from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_field
from rest_framework import generics, serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from affiliates.engine import Method
from affiliates.models import Payout, PayoutBatch, PayoutDetails
from affiliates.selectors import (
    batch_rows,
    current_details,
    explain_payout,
    get_affiliate,
    get_batch,
    payout_rows,
)
from affiliates.services import (
    approve_batch,
    cancel_batch,
    give_payout_details,
    hand_over,
    make_batch,
    mark_paid,
    release_payouts,
    submit_batch,
)
from loyalty_site.common.serializers import LineField, StrictIntegerField, StrictSerializer
from loyalty_site.staff.idempotency import HEADER, idempotent
from loyalty_site.staff.models import User

KEY = OpenApiParameter(
    HEADER,
    str,
    OpenApiParameter.HEADER,
    description="Your own key of this call. Sending it again repeats the answer, not the effect.",
)
_MOST_IDS = 1_000


def _user(request: Request) -> User:
    return cast(User, request.user)


class PayoutSerializer(serializers.ModelSerializer[Payout]):
    """What one affiliate gets in a batch; `gross` less `withheld` is `net`."""

    affiliate = serializers.CharField(source="affiliate.name")
    method = serializers.ChoiceField(choices=PayoutDetails.Method.choices, source="details.method")
    account = serializers.CharField(source="details.masked_account")
    currency = serializers.CharField(source="batch.currency")
    explanation = serializers.SerializerMethodField()

    class Meta:
        model = Payout
        fields: ClassVar[list[str]] = [
            "id",
            "reference",
            "batch_id",
            "affiliate_id",
            "affiliate",
            "method",
            "account",
            "state",
            "gross",
            "withheld",
            "net",
            "points",
            "currency",
            "paid_at",
            "note",
            "explanation",
        ]

    @extend_schema_field(serializers.ListField(child=serializers.CharField()))
    def get_explanation(self, payout: Payout) -> Any:
        """How it comes to its amount, in sentences."""
        return explain_payout(payout)


class PayoutFilter(django_filters.FilterSet):  # type: ignore[misc]
    """Payouts by affiliate, batch and state."""

    affiliate_id = django_filters.NumberFilter("affiliate_id")
    batch_id = django_filters.NumberFilter("batch_id")

    class Meta:
        model = Payout
        fields: ClassVar[list[str]] = ["state"]


class PayoutsView(generics.ListAPIView[Payout]):
    """All payouts, newest first; account numbers are masked."""

    required_permissions: ClassVar[dict[str, str]] = {"GET": "affiliates.view_payout"}
    serializer_class = PayoutSerializer
    filterset_class = PayoutFilter
    queryset = Payout.objects.none()

    def get_queryset(self) -> QuerySet[Payout]:
        return payout_rows().defer("batch__content")


class BatchSerializer(serializers.ModelSerializer[PayoutBatch]):
    """A batch in its present state, with the sums of what is still in it."""

    payouts = serializers.IntegerField(source="payout_count")
    gross = serializers.DecimalField(max_digits=14, decimal_places=2)
    withheld = serializers.DecimalField(max_digits=14, decimal_places=2)
    net = serializers.DecimalField(max_digits=14, decimal_places=2)

    class Meta:
        model = PayoutBatch
        fields: ClassVar[list[str]] = [
            "id",
            "method",
            "state",
            "currency",
            "payouts",
            "gross",
            "withheld",
            "net",
            "made_at",
            "made_by_id",
            "approved_at",
            "approved_by_id",
            "closed_at",
            "reason",
            "file_name",
            "file_hash",
        ]


def _answer(batch: PayoutBatch, code: int = status.HTTP_200_OK) -> Response:
    return Response(BatchSerializer(batch_rows().get(pk=batch.pk)).data, status=code)


class NewBatchSerializer(StrictSerializer):
    """How to pay, and which affiliates to leave out."""

    method = serializers.ChoiceField(choices=PayoutDetails.Method.choices)
    leave_out = serializers.ListField(
        child=StrictIntegerField(min_value=1), max_length=_MOST_IDS, required=False, default=list
    )


class BatchFilter(django_filters.FilterSet):  # type: ignore[misc]
    """Batches by state and way of paying."""

    class Meta:
        model = PayoutBatch
        fields: ClassVar[list[str]] = ["state", "method"]


class BatchesView(generics.ListAPIView[PayoutBatch]):
    """Batches of payouts: list them, or make one of everything that is due."""

    required_permissions: ClassVar[dict[str, str]] = {
        "GET": "affiliates.view_payoutbatch",
        "POST": "affiliates.make_payouts",
    }
    serializer_class = BatchSerializer
    filterset_class = BatchFilter
    queryset = PayoutBatch.objects.none()

    def get_queryset(self) -> QuerySet[PayoutBatch]:
        return batch_rows()

    @extend_schema(request=NewBatchSerializer, responses={201: BatchSerializer}, parameters=[KEY])
    @idempotent
    def post(self, request: Request) -> Response:
        body = NewBatchSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        batch = make_batch(
            method=Method(body.validated_data["method"]),
            leave_out=body.validated_data["leave_out"],
            acting_user=_user(request),
        )
        return _answer(batch, status.HTTP_201_CREATED)


class BatchView(APIView):
    """One batch."""

    required_permissions: ClassVar[dict[str, str]] = {"GET": "affiliates.view_payoutbatch"}

    @extend_schema(responses=BatchSerializer)
    def get(self, request: Request, batch_id: int) -> Response:
        return _answer(get_batch(batch_id))


class NothingSerializer(StrictSerializer):
    """An empty object."""


class SubmitBatchView(APIView):
    """Send a batch to a second person."""

    required_permissions: ClassVar[dict[str, str]] = {"POST": "affiliates.make_payouts"}

    @extend_schema(request=NothingSerializer, responses=BatchSerializer, parameters=[KEY])
    @idempotent
    def post(self, request: Request, batch_id: int) -> Response:
        return _simple_step(request, batch_id, submit_batch)


class ApproveBatchView(APIView):
    """Approve a batch, as somebody who did not make it."""

    required_permissions: ClassVar[dict[str, str]] = {"POST": "affiliates.approve_payouts"}

    @extend_schema(request=NothingSerializer, responses=BatchSerializer, parameters=[KEY])
    @idempotent
    def post(self, request: Request, batch_id: int) -> Response:
        return _simple_step(request, batch_id, approve_batch)


def _simple_step(request: Request, batch_id: int, step: Callable[..., PayoutBatch]) -> Response:
    NothingSerializer(data=request.data).is_valid(raise_exception=True)
    return _answer(step(batch=get_batch(batch_id), acting_user=_user(request)))


class BatchFileSerializer(serializers.ModelSerializer[PayoutBatch]):
    """The file as it was handed over; `content` is empty for points, which are credited."""

    class Meta:
        model = PayoutBatch
        fields: ClassVar[list[str]] = ["id", "state", "file_name", "file_hash", "content"]


class BatchFileView(APIView):
    """Make the file of an approved batch, or fetch the same bytes again; points are credited."""

    required_permissions: ClassVar[dict[str, str]] = {"POST": "affiliates.make_payouts"}

    @extend_schema(request=NothingSerializer, responses=BatchFileSerializer)
    def post(self, request: Request, batch_id: int) -> Response:
        # Repeatable by itself; its answer holds account numbers and is kept nowhere else.
        NothingSerializer(data=request.data).is_valid(raise_exception=True)
        batch = hand_over(batch=get_batch(batch_id), acting_user=_user(request))
        return Response(BatchFileSerializer(batch).data)


class PayoutIdsField(serializers.ListField):
    """Ids of payouts, each once."""

    def __init__(self, **kwargs: Any) -> None:
        child = StrictIntegerField(min_value=1)
        super().__init__(child=child, min_length=1, max_length=_MOST_IDS, **kwargs)

    def to_internal_value(self, data: Any) -> Any:
        ids = super().to_internal_value(data)
        if len(ids) != len(set(ids)):
            raise serializers.ValidationError("A payout is named twice.", code="repeated")
        return ids


class PaidSerializer(StrictSerializer):
    """Which payouts have arrived; all that are open, if none is named."""

    payouts = PayoutIdsField(required=False)


class BatchPaidView(APIView):
    """Mark payouts of a handed-over batch as paid."""

    required_permissions: ClassVar[dict[str, str]] = {"POST": "affiliates.make_payouts"}

    @extend_schema(request=PaidSerializer, responses=BatchSerializer, parameters=[KEY])
    @idempotent
    def post(self, request: Request, batch_id: int) -> Response:
        body = PaidSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        batch = mark_paid(
            batch=get_batch(batch_id),
            payout_ids=body.validated_data.get("payouts"),
            acting_user=_user(request),
        )
        return _answer(batch)


class ReleasePayoutsSerializer(StrictSerializer):
    """Which payouts are taken out, and why."""

    payouts = PayoutIdsField()
    reason = LineField(max_length=200)


class BatchReleaseView(APIView):
    """Take payouts out; once the file is out, this says that they did not arrive."""

    required_permissions: ClassVar[dict[str, str]] = {"POST": "affiliates.make_payouts"}

    @extend_schema(request=ReleasePayoutsSerializer, responses=BatchSerializer, parameters=[KEY])
    @idempotent
    def post(self, request: Request, batch_id: int) -> Response:
        body = ReleasePayoutsSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        batch = release_payouts(
            batch=get_batch(batch_id),
            payout_ids=body.validated_data["payouts"],
            reason=body.validated_data["reason"],
            acting_user=_user(request),
        )
        return _answer(batch)


class CancelBatchSerializer(StrictSerializer):
    """Why the batch is given up."""

    reason = LineField(max_length=200)


class CancelBatchView(APIView):
    """Give a batch up before its file is out; everything in it is due again."""

    required_permissions: ClassVar[dict[str, str]] = {"POST": "affiliates.make_payouts"}

    @extend_schema(request=CancelBatchSerializer, responses=BatchSerializer, parameters=[KEY])
    @idempotent
    def post(self, request: Request, batch_id: int) -> Response:
        body = CancelBatchSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        batch = cancel_batch(
            batch=get_batch(batch_id),
            reason=body.validated_data["reason"],
            acting_user=_user(request),
        )
        return _answer(batch)


class DetailsSerializer(serializers.ModelSerializer[PayoutDetails]):
    """Where an affiliate's money goes; the account is masked."""

    account = serializers.CharField(source="masked_account")

    class Meta:
        model = PayoutDetails
        fields: ClassVar[list[str]] = [
            "id",
            "affiliate_id",
            "method",
            "holder",
            "account",
            "bank_code",
            "given_at",
            "payable_from",
        ]


class NewDetailsSerializer(StrictSerializer):
    """Where an affiliate's money goes from now on."""

    method = serializers.ChoiceField(choices=PayoutDetails.Method.choices)
    holder = LineField(max_length=120, required=False, default="")
    account = LineField(max_length=80, required=False, default="")
    bank_code = LineField(max_length=20, required=False, default="")
    tax_id = LineField(max_length=20, required=False, default="")


class DetailsView(APIView):
    """Where an affiliate's money goes, and changing it; new details wait before they are used."""

    required_permissions: ClassVar[dict[str, str]] = {
        "GET": "affiliates.view_payoutdetails",
        "POST": "affiliates.add_payoutdetails",
    }

    @extend_schema(responses={200: DetailsSerializer, 204: None})
    def get(self, request: Request, affiliate_id: int) -> Response:
        details = current_details(get_affiliate(affiliate_id))
        if details is None:
            return Response(status=status.HTTP_204_NO_CONTENT)
        return Response(DetailsSerializer(details).data)

    @extend_schema(
        request=NewDetailsSerializer, responses={201: DetailsSerializer}, parameters=[KEY]
    )
    @idempotent
    def post(self, request: Request, affiliate_id: int) -> Response:
        body = NewDetailsSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        given = body.validated_data
        details = give_payout_details(
            affiliate=get_affiliate(affiliate_id),
            method=Method(given.pop("method")),
            acting_user=_user(request),
            **given,
        )
        return Response(DetailsSerializer(details).data, status=status.HTTP_201_CREATED)
