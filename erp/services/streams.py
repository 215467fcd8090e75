"""What a person may change of a stream; how far it is belongs to its runs."""

from typing import Any

from django.db import transaction

from erp.errors import InvalidPolicyError, WrongMappingError
from erp.models import Stream

_SETTINGS = ["mapping_version", "policy", "every_seconds", "is_enabled"]
_UNKNOWN_CUSTOMER = ("create", "park")
_LONGEST_WORDING = 1000


def check_stream(*, stream: Stream) -> None:
    """Refuse a mapping for something else and a policy that says nothing.

    Raises:
        WrongMappingError: the version maps something else.
        InvalidPolicyError: an unknown key, or a value that it does not take.
    """
    mapping_type = stream.mapping_version.mapping.mapping_type
    if mapping_type != stream.entity:
        raise WrongMappingError(
            field="mapping_version", mapping_type=mapping_type, entity=stream.entity
        )
    policy: Any = stream.policy
    if not isinstance(policy, dict):
        raise InvalidPolicyError(field="policy", reason="The policy is a JSON object.")
    unknown = set(policy) - {"unknown_customer", "consent_wording"}
    if unknown:
        raise InvalidPolicyError(field="policy", reason=f"“{min(unknown)}” is not known.")
    if policy.get("unknown_customer", "park") not in _UNKNOWN_CUSTOMER:
        raise InvalidPolicyError(field="policy", reason="unknown_customer is create or park.")
    wording = policy.get("consent_wording", "")
    if not isinstance(wording, str) or len(wording) > _LONGEST_WORDING:
        raise InvalidPolicyError(field="policy", reason="consent_wording is a text.")


@transaction.atomic
def save_stream(*, stream: Stream) -> Stream:
    """Change a stream's settings; pages under way keep the mapping they began with.

    Raises:
        WrongMappingError: the version maps something else.
        InvalidPolicyError: an unknown key, or a value that it does not take.
    """
    check_stream(stream=stream)
    stream.save(update_fields=_SETTINGS)
    return stream
