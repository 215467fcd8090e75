"""The product's web application with two empty views beside it, to measure it against."""

from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.urls import path
from rest_framework.permissions import AllowAny, IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from loyalty_site.urls import urlpatterns as product_urlpatterns


class EmptyView(APIView):
    """A REST view that does nothing, for anybody."""

    authentication_classes = []
    permission_classes = [AllowAny]

    def post(self, request: Request) -> Response:
        return Response({})


class SignedInEmptyView(APIView):
    """A REST view that does nothing, for those who are signed in."""

    permission_classes = [IsAuthenticated]

    def post(self, request: Request) -> Response:
        return Response({})


urlpatterns = [
    path("api/v1/empty/", EmptyView.as_view()),
    path("api/v1/signed-in-empty/", SignedInEmptyView.as_view()),
    *product_urlpatterns,
]
settings.ROOT_URLCONF = __name__
application = get_wsgi_application()
