"""Links and clicks, for integrators."""

from datetime import timedelta
from typing import Any, ClassVar
from urllib.parse import parse_qsl, urlsplit

import django_filters
from django.db.models import QuerySet
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import generics, serializers, status
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from affiliates.engine import Visitor
from affiliates.errors import LinkNotFoundError
from affiliates.models import Enrolment, Link
from affiliates.selectors import find_open_link, short_address, with_counts
from affiliates.services import create_link, make_visit, record_visits
from loyalty_site.common.serializers import LineField, StrictSerializer
from loyalty_site.staff.idempotency import idempotent

_OLDEST = timedelta(days=1)
_FASTEST_CLOCK = timedelta(minutes=5)


class LinkSerializer(serializers.ModelSerializer[Link]):
    """A link with what came of it; `bots` are robots and loading ahead, never clicks."""

    affiliate_id = serializers.IntegerField(source="enrolment.affiliate_id")
    address = serializers.SerializerMethodField()
    target = serializers.CharField(source="target.address")
    clicks = serializers.IntegerField(source="click_count", default=0)
    repeats = serializers.IntegerField(source="repeat_count", default=0)
    previews = serializers.IntegerField(source="preview_count", default=0)
    bots = serializers.IntegerField(source="bot_count", default=0)
    shares = serializers.IntegerField(source="share_count", default=0)

    class Meta:
        model = Link
        fields: ClassVar[list[str]] = [
            "id",
            "affiliate_id",
            "enrolment_id",
            "code",
            "address",
            "target",
            "path",
            "label",
            "is_active",
            "clicks",
            "repeats",
            "previews",
            "bots",
            "shares",
            "created_at",
        ]

    def get_address(self, link: Link) -> str:
        """What people share."""
        return short_address(link.code)


class LinkFilter(django_filters.FilterSet):  # type: ignore[misc]
    affiliate_id = django_filters.NumberFilter(field_name="enrolment__affiliate_id")
    is_active = django_filters.BooleanFilter()

    class Meta:
        model = Link
        fields: ClassVar[list[str]] = ["affiliate_id", "is_active"]


class NewLinkSerializer(StrictSerializer):
    """A further link; `page` is a whole address below an allowed place, or a path."""

    enrolment_id = serializers.PrimaryKeyRelatedField(
        source="enrolment", queryset=Enrolment.objects.all()
    )
    page = LineField(max_length=400, required=False, allow_blank=True)
    # A field of this name hides an attribute of the same name that fields have.
    label = LineField(  # type: ignore[assignment]
        max_length=80, required=False, allow_blank=True
    )


class LinksView(generics.ListAPIView[Link]):
    """Links of affiliates with their counts."""

    required_permissions: ClassVar[dict[str, str]] = {
        "GET": "affiliates.view_link",
        "POST": "affiliates.add_link",
    }
    serializer_class = LinkSerializer
    filterset_class = LinkFilter
    queryset = Link.objects.select_related("target", "enrolment")

    def get_queryset(self) -> QuerySet[Link]:
        return with_counts(super().get_queryset())

    @extend_schema(
        operation_id="affiliates_links_create",
        summary="Give an affiliate a further link",
        request=NewLinkSerializer,
        responses={201: LinkSerializer},
    )
    @idempotent
    def post(self, request: Request) -> Response:
        """It leads below one of the places that the shop allows, and nowhere else."""
        body = NewLinkSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        link = create_link(**body.validated_data)
        return Response(LinkSerializer(link).data, status=status.HTTP_201_CREATED)


class ClickSerializer(StrictSerializer):
    """A click as the shop's own server saw it. The address is hashed and not stored."""

    link = LineField(max_length=40, help_text="The link's code, as in /r/<code>.")
    address = serializers.IPAddressField(help_text="The visitor's IP address.")
    user_agent = LineField(max_length=1000, help_text="The visitor's User-Agent header.")
    url = LineField(
        max_length=2000,
        required=False,
        allow_blank=True,
        default="",
        help_text="The page that was opened; sub-id, UTM and paid-click parameters are read of it.",
    )
    referrer = LineField(max_length=2000, required=False, allow_blank=True, default="")
    clicked_at = serializers.DateTimeField(
        required=False, help_text="Within the last day; now if left out."
    )

    def validate_clicked_at(self, value: Any) -> Any:
        """Neither older than a day nor in the future."""
        now = timezone.now()
        if not now - _OLDEST <= value <= now + _FASTEST_CLOCK:
            raise ValidationError("Give a time within the last day.", code="out_of_range")
        return value


class TrackedClickSerializer(serializers.Serializer[Any]):
    """What a click counts as; `click_id` is empty for robots and previews."""

    click_id = serializers.CharField(allow_blank=True)
    visitor = serializers.ChoiceField(choices=[one.value for one in Visitor])
    is_repeat = serializers.BooleanField(
        help_text="Again within the hour: `click_id` names the first click, which counts."
    )


class TrackClickView(APIView):
    """Clicks that reach the shop's own server."""

    required_permissions: ClassVar[dict[str, str]] = {"POST": "affiliates.add_click"}

    @extend_schema(
        operation_id="affiliates_track_click",
        summary="Record a click",
        request=ClickSerializer,
        responses={201: TrackedClickSerializer},
    )
    @idempotent
    def post(self, request: Request) -> Response:
        """Send `click_id` along with the order; within the hour a visitor gets the same one."""
        body = ClickSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        given = body.validated_data
        link = find_open_link(given["link"].lower())
        if link is None:
            raise LinkNotFoundError()
        visit = make_visit(
            link_id=link.link_id,
            method="GET",
            headers={"user-agent": given["user_agent"], "referer": given["referrer"]},
            query=_query_of(given["url"]),
            address=given["address"],
            at=given.get("clicked_at") or timezone.now(),
        )
        click_id = record_visits(visits=[visit]).get(visit.public_id, "")
        answer = TrackedClickSerializer(
            {
                "click_id": click_id,
                "visitor": visit.visitor.value,
                "is_repeat": click_id not in {"", visit.public_id},
            }
        )
        return Response(answer.data, status=status.HTTP_201_CREATED)


def _query_of(url: str) -> dict[str, str]:
    try:
        return dict(parse_qsl(urlsplit(url).query, max_num_fields=100))
    except ValueError:
        return {}
