"""The product's own routes without the other apps, and a little API to try the ground rules on."""

from typing import Any

from django.contrib import admin
from django.urls import include, path
from rest_framework import serializers
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from loyalty_site.common.errors import DomainError
from loyalty_site.common.routing import either_slash
from loyalty_site.common.serializers import LineField, StrictIntegerField, StrictSerializer
from loyalty_site.outbox.models import PeriodClaim
from loyalty_site.staff.idempotency import idempotent
from loyalty_site.staff.urls import api_urlpatterns as staff_api

handler400 = "loyalty_site.staff.views.bad_request"
handler403 = "loyalty_site.staff.views.permission_denied"
handler404 = "loyalty_site.staff.views.not_found"
handler500 = "loyalty_site.staff.views.server_error"


class TooManyThingsError(DomainError):
    code = "too_many"
    message = "There are too many things."


class ThingSerializer(StrictSerializer):
    name = LineField(max_length=40)
    phone = LineField(required=False)
    count = StrictIntegerField(required=False)
    rate = serializers.DecimalField(max_digits=10, decimal_places=2, required=False)
    extra = serializers.JSONField(required=False)
    id = serializers.IntegerField(read_only=True)
    points_balance = serializers.IntegerField(read_only=True)


class ThingsView(GenericAPIView[Any]):
    """Writes one row a call."""

    serializer_class = ThingSerializer
    required_permissions = {"POST": "staff.add_user"}

    @idempotent
    def post(self, request: Request) -> Response:
        serializer = ThingSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        name = serializer.validated_data["name"]
        thing = PeriodClaim.objects.create(job=name, period=str(PeriodClaim.objects.count()))
        if name == "refused":
            raise TooManyThingsError()
        if name == "broken":
            raise RuntimeError("a fault of ours, about canary@example.org and +919812345678")
        if name == "busy":
            return Response({"id": thing.pk}, status=503)
        return Response({"id": thing.pk, "name": name}, status=201)


class OtherThingsView(ThingsView):
    """The same effect at another address."""

    schema = None


class FaultView(APIView):
    """Fails inside and outside of the view's own handling."""

    permission_classes = []
    schema = None

    def get(self, request: Request) -> Response:
        raise RuntimeError("a fault of ours, about canary@example.org and +919812345678")


def plain_fault(request: Any) -> Any:
    raise RuntimeError("a fault of ours, about canary@example.org and +919812345678")


urlpatterns = [
    either_slash(
        "api/v1/",
        [
            *staff_api,
            path("things/", ThingsView.as_view()),
            path("things/<int:pk>", OtherThingsView.as_view()),
            path("fault", FaultView.as_view()),
            path("plain-fault", plain_fault),
            path("nested/", include([path("", FaultView.as_view())])),
        ],
    ),
    path("admin/", admin.site.urls),
    either_slash("", [path("", include("loyalty_site.staff.urls"))]),
]
