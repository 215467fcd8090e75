"""Awards for many customers at once, by hand or for what they did."""

from typing import Any, ClassVar

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from loyalty.api.points import KEY_PARAMETER
from loyalty.services import (
    AwardResult,
    CustomerAward,
    EventAward,
    EventOccasion,
    award_customers,
    award_events,
    default_program,
)
from loyalty_site.common.errors import DomainError
from loyalty_site.common.serializers import LineField, StrictIntegerField, StrictSerializer
from loyalty_site.staff.idempotency import idempotent

MOST_ITEMS = 1000


class RefusalSerializer(serializers.Serializer[Any]):
    """Why one item of a batch was not done."""

    code = serializers.CharField()
    detail = serializers.CharField()


def _refusal(error: DomainError | None) -> dict[str, str] | None:
    return {"code": error.code, "detail": str(error)} if error else None


class BatchAwardItemSerializer(StrictSerializer):
    """Points for one customer; `key` is your own and stands for this award for ever."""

    customer_id = StrictIntegerField(min_value=1)
    points = StrictIntegerField(min_value=1, max_value=100_000_000)
    description = LineField(max_length=200)
    key = serializers.RegexField(r"\A[\x21-\x7e]{1,255}\Z")


class BatchAwardSerializer(StrictSerializer):
    """Up to 1,000 awards."""

    awards = serializers.ListField(
        child=BatchAwardItemSerializer(), min_length=1, max_length=MOST_ITEMS
    )

    def validate_awards(self, awards: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """A key stands for one award."""
        if len({award["key"] for award in awards}) != len(awards):
            fault = ErrorDetail("A key is used twice in this batch.", code="key_twice")
            raise ValidationError([fault])
        return awards


class BatchAwardResultSerializer(serializers.Serializer[Any]):
    """What became of one award; `refusal` is null where it was posted, now or before."""

    key = serializers.CharField()
    customer_id = serializers.IntegerField()
    entry_id = serializers.IntegerField(allow_null=True)
    points = serializers.IntegerField()
    balance = serializers.IntegerField(allow_null=True)
    replayed = serializers.BooleanField()
    refusal = RefusalSerializer(allow_null=True)


class BatchAwardAnswerSerializer(serializers.Serializer[Any]):
    """A result for each award, in their order."""

    results = BatchAwardResultSerializer(many=True)


class BatchAwardView(APIView):
    """Points for many customers."""

    required_permissions: ClassVar = {"POST": "loyalty.award_points"}

    @extend_schema(
        request=BatchAwardSerializer,
        responses=BatchAwardAnswerSerializer,
        parameters=[KEY_PARAMETER],
    )
    @idempotent
    def post(self, request: Request) -> Response:
        """Give points to many customers; each award stands for itself."""
        body = BatchAwardSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        user: Any = request.user
        awards = [
            CustomerAward(
                customer_id=award["customer_id"],
                points=award["points"],
                reason=award["description"],
                key=award["key"],
            )
            for award in body.validated_data["awards"]
        ]
        results = award_customers(program=default_program(), awards=awards, acting_user=user)
        return Response({"results": [_award_answer(result) for result in results]})


def _award_answer(result: AwardResult) -> dict[str, Any]:
    entry = result.entry
    return {
        "key": result.award.key,
        "customer_id": result.award.customer_id,
        "entry_id": entry.id if entry else None,
        "points": entry.points if entry else 0,
        "balance": entry.balance_after if entry else None,
        "replayed": result.replayed,
        "refusal": _refusal(result.refusal),
    }


class OccasionSerializer(StrictSerializer):
    """Something a customer did; `key` names it among his of this event."""

    customer_id = StrictIntegerField(min_value=1)
    key = serializers.RegexField(r"\A[\x21-\x7e]{1,60}\Z")
    occurred_at = serializers.DateTimeField(required=False, allow_null=True, default=None)


class EventsSerializer(StrictSerializer):
    """Up to 1,000 occasions of one event, like “review” or one that the shop named."""

    event = serializers.RegexField(r"\A[a-z][a-z0-9_]{0,39}\Z")
    occasions = serializers.ListField(
        child=OccasionSerializer(), min_length=1, max_length=MOST_ITEMS
    )


class EventAwardSerializer(serializers.Serializer[Any]):
    """What one occasion earned: in all, and by this call."""

    customer_id = serializers.IntegerField()
    key = serializers.CharField()
    points = serializers.IntegerField()
    points_moved = serializers.IntegerField()
    refusal = RefusalSerializer(allow_null=True)


class EventsAnswerSerializer(serializers.Serializer[Any]):
    """A result for each occasion, in their order."""

    results = EventAwardSerializer(many=True)


class EventsView(APIView):
    """What customers did beside buying."""

    required_permissions: ClassVar = {"POST": "loyalty.award_points"}

    @extend_schema(
        request=EventsSerializer, responses=EventsAnswerSerializer, parameters=[KEY_PARAMETER]
    )
    @idempotent
    def post(self, request: Request) -> Response:
        """Give the points of the rules for an event, once for each rule, customer and key."""
        body = EventsSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        user: Any = request.user
        now = timezone.now()
        awards = award_events(
            program=default_program(),
            event=body.validated_data["event"],
            occasions=[
                EventOccasion(
                    customer_id=occasion["customer_id"],
                    key=occasion["key"],
                    occurred_at=occasion["occurred_at"] or now,
                )
                for occasion in body.validated_data["occasions"]
            ],
            now=now,
            acting_user=user,
        )
        return Response({"results": [_event_answer(award) for award in awards]})


def _event_answer(award: EventAward) -> dict[str, Any]:
    return {
        "customer_id": award.occasion.customer_id,
        "key": award.occasion.key,
        "points": award.points,
        "points_moved": award.points_moved,
        "refusal": _refusal(award.refusal),
    }
