"""ERP mappings and runs for integrators and the back office."""

from typing import Any, ClassVar

import django_filters
from drf_spectacular.utils import extend_schema
from rest_framework import generics, serializers, status
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from erp.errors import InvalidMappingError, StreamNotFoundError
from erp.models import Entity, MappingVersion, Stream, SyncRun
from erp.services import request_run, save_mapping
from loyalty_site.common.serializers import StrictSerializer
from loyalty_site.staff.idempotency import idempotent


class MappingFieldSerializer(StrictSerializer):
    """One field: where it comes from, where it goes, and what happens on the way.

    `transformation` is null, a name, names parted by "|", or a list of named operations.
    """

    source_field = serializers.CharField(max_length=200)
    target_field = serializers.CharField(max_length=80)
    transformation = serializers.JSONField(allow_null=True, default=None)
    is_required = serializers.BooleanField(default=False)


class MappingRequestSerializer(StrictSerializer):
    """A mapping as it is given."""

    mapping_type = serializers.ChoiceField(choices=Entity.choices)
    mappings = MappingFieldSerializer(many=True, allow_empty=False)


class MappingVersionSerializer(serializers.ModelSerializer[MappingVersion]):
    """A stored version of a mapping; versions are never changed."""

    name = serializers.CharField(source="mapping.name")
    version = serializers.IntegerField(source="number")
    mapping_type = serializers.CharField(source="mapping.mapping_type")
    mappings = MappingFieldSerializer(many=True)

    class Meta:
        model = MappingVersion
        fields = ["id", "name", "version", "mapping_type", "mappings", "created_at"]


class MappingFilter(django_filters.FilterSet):  # type: ignore[misc]
    """Mappings of one type."""

    mapping_type = django_filters.ChoiceFilter("mapping__mapping_type", choices=Entity.choices)

    class Meta:
        model = MappingVersion
        fields: ClassVar[list[str]] = []


class MappingsView(generics.ListAPIView[MappingVersion]):
    """Every version of every mapping, newest first; and the door for new ones."""

    required_permissions: ClassVar = {
        "GET": "erp.view_mappingversion",
        "POST": "erp.add_mappingversion",
    }
    serializer_class = MappingVersionSerializer
    filterset_class = MappingFilter
    queryset = MappingVersion.objects.select_related("mapping")

    @extend_schema(request=MappingRequestSerializer, responses={201: MappingVersionSerializer})
    @idempotent
    def post(self, request: Request) -> Response:
        """Store a mapping as a new version; a stream uses it once the shop chooses it there."""
        body = MappingRequestSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        user: Any = request.user
        try:
            version = save_mapping(
                mapping_type=body.validated_data["mapping_type"],
                mappings=body.validated_data["mappings"],
                acting_user=user,
            )
        except InvalidMappingError as error:
            raise ValidationError(
                {fault.position: [fault.message] for fault in error.faults}, code=error.code
            ) from error
        return Response(MappingVersionSerializer(version).data, status=status.HTTP_201_CREATED)


class RunSerializer(serializers.ModelSerializer[SyncRun]):
    """How one reading of a stream went, or how far it is."""

    connection = serializers.CharField(source="stream.connection.name")
    entity = serializers.CharField(source="stream.entity")

    class Meta:
        model = SyncRun
        fields = [
            "id",
            "stream_id",
            "connection",
            "entity",
            "kind",
            "state",
            "fetched",
            "applied",
            "unchanged",
            "rejected",
            "lines",
            "pages",
            "expected",
            "last_bill_at",
            "requested_at",
            "started_at",
            "finished_at",
            "error",
        ]


class RunFilter(django_filters.FilterSet):  # type: ignore[misc]
    """Runs of one stream, or in one state."""

    stream_id = django_filters.NumberFilter("stream_id")
    state = django_filters.ChoiceFilter(choices=SyncRun.State.choices)

    class Meta:
        model = SyncRun
        fields: ClassVar[list[str]] = []


class RunsView(generics.ListAPIView[SyncRun]):
    """Runs, newest first; those under way show their figures page by page."""

    required_permissions: ClassVar = {"GET": "erp.view_syncrun"}
    serializer_class = RunSerializer
    filterset_class = RunFilter
    queryset = SyncRun.objects.select_related("stream__connection")


class RunStreamView(APIView):
    """Asks for a stream to be read now."""

    required_permissions: ClassVar = {"POST": "erp.run_stream"}

    @extend_schema(request=None, responses={202: RunSerializer})
    @idempotent
    def post(self, request: Request, stream_id: int) -> Response:
        """Start a run; one that is under way answers for it."""
        stream = Stream.objects.filter(pk=stream_id).first()
        if stream is None:
            raise StreamNotFoundError()
        user: Any = request.user
        run = request_run(stream=stream, acting_user=user)
        return Response(RunSerializer(run).data, status=status.HTTP_202_ACCEPTED)
