"""OpenAPI: what every operation has in common."""

from typing import Any

from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiParameter, inline_serializer
from rest_framework import serializers

from loyalty_site.common.problems import CONTENT_TYPE

_FIELD_ERROR = inline_serializer(
    "FieldError",
    {
        "field": serializers.CharField(allow_null=True),
        "code": serializers.CharField(),
        "detail": serializers.CharField(),
    },
    many=True,
)
_PROBLEM = inline_serializer(
    "Problem",
    {
        "type": serializers.CharField(),
        "title": serializers.CharField(),
        "status": serializers.IntegerField(),
        "code": serializers.CharField(help_text="Stable; decide on this."),
        "detail": serializers.CharField(help_text="For people; may change."),
        "errors": _FIELD_ERROR,
        "request_id": serializers.CharField(),
    },
)
_IDEMPOTENCY_KEY = OpenApiParameter(
    "Idempotency-Key",
    str,
    OpenApiParameter.HEADER,
    description="Sent again with the same body within 48 hours, the first answer is repeated.",
)


class ProblemAutoSchema(AutoSchema):
    """Every refusal is a problem document; repeatable POSTs take an Idempotency-Key."""

    def _get_response_bodies(self, direction: Any = "response") -> Any:
        bodies = super()._get_response_bodies(direction)
        if direction == "response":
            describe: Any = self._get_response_for_code
            problem = describe(_PROBLEM, "default", media_types=[CONTENT_TYPE])
            bodies["default"] = {**problem, "description": "The request was refused."}
        return bodies

    def get_override_parameters(self) -> list[Any]:
        parameters = list(super().get_override_parameters())
        action = getattr(self.view, "action", None) or self.method.lower()
        if getattr(getattr(self.view, action, None), "takes_idempotency_key", False):
            parameters.append(_IDEMPOTENCY_KEY)
        return parameters
