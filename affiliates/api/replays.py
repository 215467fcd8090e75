"""Replays of plans over past bills."""

from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework import generics, serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from affiliates.api.plans import KEY_PARAMETER
from affiliates.errors import NoPlanDraftError
from affiliates.models import PlanReplay
from affiliates.services import (
    cancel_plan_replay,
    draft_of,
    get_plan,
    get_plan_replay,
    start_plan_replay,
)
from loyalty.services import MOST_DAYS
from loyalty_site.common.serializers import StrictIntegerField, StrictSerializer
from loyalty_site.staff.idempotency import idempotent


class NewPlanReplaySerializer(StrictSerializer):
    """Which plan to replay, over how many days; its draft, or the definition given."""

    plan_id = StrictIntegerField(min_value=1)
    definition = serializers.DictField(required=False)
    days = StrictIntegerField(min_value=1, max_value=MOST_DAYS, default=365)
    everybody = serializers.BooleanField(default=False)


class PlanReplaySerializer(serializers.ModelSerializer[PlanReplay]):
    """A replay and how far it is; `result` is empty until it is done."""

    percent = serializers.IntegerField()
    definition = serializers.DictField(source="terms")
    result = serializers.DictField()

    class Meta:
        model = PlanReplay
        fields: ClassVar[list[str]] = [
            "id",
            "plan_id",
            "definition",
            "everybody",
            "state",
            "since",
            "until",
            "total",
            "done",
            "percent",
            "result",
            "error",
            "created_at",
            "finished_at",
        ]


class PlanReplaysView(generics.ListAPIView[PlanReplay]):
    """Replays, newest first; and the door for new ones."""

    required_permissions: ClassVar[dict[str, str]] = {
        "GET": "affiliates.view_planreplay",
        "POST": "affiliates.add_planreplay",
    }
    serializer_class = PlanReplaySerializer
    filter_backends = ()
    queryset = PlanReplay.objects.defer("progress")

    @extend_schema(
        request=NewPlanReplaySerializer,
        responses={202: PlanReplaySerializer},
        parameters=[KEY_PARAMETER],
    )
    @idempotent
    def post(self, request: Request) -> Response:
        """Ask for a replay; a worker computes it and writes nothing else."""
        body = NewPlanReplaySerializer(data=request.data)
        body.is_valid(raise_exception=True)
        given, user = body.validated_data, request.user
        plan = get_plan(given["plan_id"])
        written = given.get("definition") or draft_of(plan)
        if written is None:
            raise NoPlanDraftError()
        acting: Any = user
        job = start_plan_replay(
            plan=plan,
            draft=written,
            days=given["days"],
            everybody=given["everybody"],
            acting_user=acting,
        )
        return Response(PlanReplaySerializer(job).data, status=status.HTTP_202_ACCEPTED)


class PlanReplayView(APIView):
    """One replay."""

    required_permissions: ClassVar[dict[str, str]] = {"GET": "affiliates.view_planreplay"}

    @extend_schema(responses=PlanReplaySerializer)
    def get(self, request: Request, replay_id: int) -> Response:
        return Response(PlanReplaySerializer(get_plan_replay(replay_id)).data)


class CancelPlanReplayView(APIView):
    """Stopping a replay."""

    required_permissions: ClassVar[dict[str, str]] = {"POST": "affiliates.add_planreplay"}

    @extend_schema(request=None, responses=PlanReplaySerializer, parameters=[KEY_PARAMETER])
    @idempotent
    def post(self, request: Request, replay_id: int) -> Response:
        """Stop a replay that waits or runs."""
        return Response(
            PlanReplaySerializer(cancel_plan_replay(job=get_plan_replay(replay_id))).data
        )
