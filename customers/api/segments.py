"""Segments: list, write, preview, and who is in them."""

from typing import Any, ClassVar, cast

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import generics, serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from customers.engine import operators_of
from customers.errors import InvalidSegmentError
from customers.models import Customer, Segment
from customers.selectors import (
    get_segment,
    preview_segment,
    segment_fields,
    segment_members,
    segment_sentence,
)
from customers.services import save_segment
from loyalty_site.common.serializers import LineField, StrictSerializer
from loyalty_site.staff.idempotency import idempotent
from loyalty_site.staff.models import User

_EXAMPLE = (
    "A tree of `all`, `any` and `not` over tests, like "
    '`{"all": [{"field": "spend", "operator": "at_least", "value": "500.00", "days": 90}, '
    '{"not": {"field": "city", "operator": "any_of", "value": ["Pune"]}}]}`. '
    "`GET segments/fields/` lists the fields."
)


class DefinitionSerializer(StrictSerializer):
    """A condition."""

    definition = serializers.DictField(help_text=_EXAMPLE)


class SegmentWriteSerializer(DefinitionSerializer):
    """A segment as it is written."""

    name = LineField(max_length=80)
    description = LineField(max_length=200, required=False, allow_blank=True)


class SegmentSerializer(serializers.ModelSerializer[Segment]):
    """A segment with its condition, also in words."""

    sentence = serializers.SerializerMethodField()
    definition = serializers.DictField()

    class Meta:
        model = Segment
        fields: ClassVar[list[str]] = [
            "id",
            "name",
            "description",
            "sentence",
            "definition",
            "created_at",
            "updated_at",
        ]

    def get_sentence(self, segment: Segment) -> str:
        try:
            return segment_sentence(segment.definition)
        except InvalidSegmentError as error:
            return str(error)


class SampleSerializer(serializers.ModelSerializer[Customer]):
    """A customer of a sample, without contacts."""

    class Meta:
        model = Customer
        fields: ClassVar[list[str]] = ["id", "public_id", "name", "city"]


class PreviewSerializer(serializers.Serializer[Any]):
    """How many customers meet a condition, and some of them."""

    count = serializers.IntegerField()
    total = serializers.IntegerField()
    percent = serializers.DecimalField(max_digits=4, decimal_places=1)
    sentence = serializers.CharField()
    sample = SampleSerializer(many=True)


class MemberSerializer(serializers.ModelSerializer[Customer]):
    """A member by its numbers."""

    class Meta:
        model = Customer
        fields: ClassVar[list[str]] = ["id", "public_id"]


class ChoiceSerializer(serializers.Serializer[Any]):
    """A value and its words."""

    value = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]


class FieldSerializer(serializers.Serializer[Any]):
    """Something that can be asked of a customer."""

    key = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]
    group = serializers.CharField()
    kind = serializers.CharField()
    help_text = serializers.CharField()  # type: ignore[assignment]
    takes_days = serializers.BooleanField()
    takes_key = serializers.CharField()
    operators = serializers.SerializerMethodField()
    choices = serializers.SerializerMethodField()

    def get_operators(self, field: Any) -> list[str]:
        return [operator.value for operator in operators_of(field)]

    @extend_schema_field(ChoiceSerializer(many=True))
    def get_choices(self, field: Any) -> list[dict[str, str]]:
        choices = field.choices() if field.choices else []
        return [{"value": value, "label": label} for value, label in choices]


class SegmentsView(generics.ListAPIView[Segment]):
    """Segments, newest first."""

    serializer_class = SegmentSerializer
    queryset = Segment.objects.all()
    required_permissions: ClassVar[dict[str, str]] = {
        "GET": "customers.view_segment",
        "POST": "customers.add_segment",
    }

    @extend_schema(operation_id="segments_list", summary="List segments")
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Newest first, in pages."""
        return super().get(request, *args, **kwargs)

    @extend_schema(
        operation_id="segments_create",
        summary="Write a segment down",
        request=SegmentWriteSerializer,
        responses={201: SegmentSerializer},
    )
    @idempotent
    def post(self, request: Request) -> Response:
        """The condition is checked whole; a fault names its place in the tree."""
        body = SegmentWriteSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        segment = save_segment(acting_user=cast(User, request.user), **body.validated_data)
        return Response(SegmentSerializer(segment).data, status=status.HTTP_201_CREATED)


class SegmentView(APIView):
    """One segment."""

    required_permissions: ClassVar[dict[str, str]] = {
        "GET": "customers.view_segment",
        "PATCH": "customers.change_segment",
    }

    @extend_schema(operation_id="segments_get", summary="One segment", responses=SegmentSerializer)
    def get(self, request: Request, segment_id: int) -> Response:
        """With its condition as a tree and in words."""
        return Response(SegmentSerializer(get_segment(segment_id)).data)

    @extend_schema(
        operation_id="segments_change",
        summary="Change a segment",
        request=SegmentWriteSerializer(partial=True),
        responses=SegmentSerializer,
    )
    def patch(self, request: Request, segment_id: int) -> Response:
        """Only the given fields change; whoever uses the segment uses the new condition."""
        body = SegmentWriteSerializer(data=request.data, partial=True)
        body.is_valid(raise_exception=True)
        segment = get_segment(segment_id)
        as_it_is = {
            "name": segment.name,
            "description": segment.description,
            "definition": segment.definition,
        }
        changed = save_segment(
            segment_id=segment_id,
            acting_user=cast(User, request.user),
            **{**as_it_is, **body.validated_data},
        )
        return Response(SegmentSerializer(changed).data)


class SegmentPreviewView(APIView):
    """Who would be in a segment."""

    required_permissions: ClassVar[dict[str, str]] = {"POST": "customers.view_segment"}

    @extend_schema(
        operation_id="segments_preview",
        summary="Count whom a condition meets",
        request=DefinitionSerializer,
        responses={200: PreviewSerializer},
    )
    def post(self, request: Request) -> Response:
        """Nothing is written. The sample holds up to ten customers."""
        body = DefinitionSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        definition = body.validated_data["definition"]
        preview = preview_segment(definition)
        answer = PreviewSerializer(
            {
                "count": preview.count,
                "total": preview.total,
                "percent": preview.percent,
                "sentence": segment_sentence(definition),
                "sample": preview.sample,
            }
        )
        return Response(answer.data)


class SegmentMembersView(generics.ListAPIView[Customer]):
    """The numbers of a segment's members."""

    serializer_class = MemberSerializer
    queryset = Customer.objects.none()
    required_permissions: ClassVar[dict[str, str]] = {"GET": "customers.view_segment"}

    def get_queryset(self) -> QuerySet[Customer]:
        if getattr(self, "swagger_fake_view", False):
            return Customer.objects.none()
        segment = get_segment(self.kwargs["segment_id"])
        return segment_members(segment.definition).only("id", "public_id")

    @extend_schema(operation_id="segments_members", summary="Who is in a segment")
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Newest customers first, in pages; found anew on each call."""
        return super().get(request, *args, **kwargs)


class SegmentFieldsView(APIView):
    """What can be asked of customers."""

    required_permissions: ClassVar[dict[str, str]] = {"GET": "customers.view_segment"}

    @extend_schema(
        operation_id="segments_fields",
        summary="The fields of conditions",
        responses=FieldSerializer(many=True),
    )
    def get(self, request: Request) -> Response:
        """Every field with its operators and, where it has some, its choices."""
        return Response(FieldSerializer(list(segment_fields().values()), many=True).data)
