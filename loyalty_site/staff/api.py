"""Sign-in for machines and apps."""

from typing import Any, cast

from django.contrib.auth import authenticate
from django.contrib.auth.signals import user_logged_in
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.permissions import AllowAny, IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from loyalty_site.common.serializers import StrictSerializer
from loyalty_site.staff.authentication import TokenAuthentication, bearer_token
from loyalty_site.staff.errors import SignInEndedError, SignInRefusedError
from loyalty_site.staff.models import User
from loyalty_site.staff.services import TokenPair, end_sessions, refresh_session, start_session
from loyalty_site.staff.tokens import RefreshClaims


class TokenScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """How the OpenAPI document describes the access token."""

    target_class = TokenAuthentication
    name = "accessToken"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}


class CredentialsSerializer(StrictSerializer):
    """What a user signs in with."""

    email = serializers.CharField(max_length=254)
    password = serializers.CharField(
        max_length=1024, trim_whitespace=False, style={"input_type": "password"}
    )


class TokenPairSerializer(serializers.Serializer[TokenPair]):
    """An access token for the next minutes, and a refresh token for the one after it."""

    access_token = serializers.CharField()
    refresh_token = serializers.CharField()
    token_type = serializers.CharField(read_only=True, default="Bearer")
    expires_in = serializers.IntegerField(help_text="Seconds that the access token lives.")


def _answer(pair: TokenPair) -> Response:
    body = TokenPairSerializer(pair).data
    return Response(body, headers={"Cache-Control": "no-store"})


class LoginView(APIView):
    """Sign in with e-mail address and password."""

    authentication_classes = []
    permission_classes = [AllowAny]

    @extend_schema(
        operation_id="auth_login",
        summary="Sign in",
        request=CredentialsSerializer,
        responses=TokenPairSerializer,
    )
    def post(self, request: Request) -> Response:
        """Answers an access token and a refresh token. Five wrong tries lock for 15 minutes."""
        credentials = CredentialsSerializer(data=request.data)
        credentials.is_valid(raise_exception=True)
        # axes counts on Django's own request, and answers 429 through its middleware.
        http_request = request._request
        user = authenticate(
            http_request,
            username=credentials.validated_data["email"].strip().lower(),
            password=credentials.validated_data["password"],
        )
        if not isinstance(user, User):
            raise SignInRefusedError()
        user_logged_in.send(sender=User, request=http_request, user=user)
        return _answer(start_session(user=user))


class RefreshView(APIView):
    """Trade a refresh token for a new pair."""

    authentication_classes = []
    permission_classes = [AllowAny]

    @extend_schema(
        operation_id="auth_refresh",
        summary="Renew the tokens",
        request=None,
        responses=TokenPairSerializer,
        auth=cast(Any, [{"refreshToken": []}]),
    )
    def post(self, request: Request) -> Response:
        """Send the refresh token as `Authorization: Bearer`. It works once, with ten seconds'
        grace in which a repeat gets the same successor; later use ends the sign-in."""
        raw = bearer_token(request)
        if raw is None:
            raise SignInEndedError()
        return _answer(refresh_session(claims=RefreshClaims.read(raw)))


class LogoutView(APIView):
    """End every sign-in of the caller."""

    authentication_classes = [TokenAuthentication]
    permission_classes = [IsAuthenticated]

    @extend_schema(
        operation_id="auth_logout", summary="Sign out", request=None, responses={204: None}
    )
    def post(self, request: Request) -> Response:
        """Ends all sessions and tokens of this user at once, on every device."""
        assert isinstance(request.user, User)  # noqa: S101 - narrowed by the permission
        end_sessions(users=[request.user])
        return Response(status=204)
