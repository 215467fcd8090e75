"""Mappings: checked as a whole when they are saved, never changed after."""

import json
from functools import lru_cache
from typing import Any

from django.conf import settings
from django.db import transaction

from erp.engine import CompiledMapping, MappingError, compile_mapping
from erp.errors import InvalidMappingError
from erp.models import Mapping, MappingVersion
from loyalty_site.staff.models import User

GIVEN_BY_API = "API"


@transaction.atomic
def save_mapping(
    *, mapping_type: str, mappings: Any, name: str = GIVEN_BY_API, acting_user: User | None = None
) -> MappingVersion:
    """Add a version to the mapping of this name and type; no stream uses it until told to.

    Raises:
        InvalidMappingError: with every fault and its place.
    """
    try:
        compile_mapping(mapping_type, mappings)
    except MappingError as error:
        raise InvalidMappingError(error.faults) from error
    mapping, _ = Mapping.objects.get_or_create(name=name, mapping_type=mapping_type)
    Mapping.objects.select_for_update().get(pk=mapping.pk)
    newest = mapping.versions.order_by("-number").first()
    return MappingVersion.objects.create(
        mapping=mapping,
        number=newest.number + 1 if newest else 1,
        mappings=mappings,
        created_by=acting_user,
    )


def compiled(version: MappingVersion, *, zone: str) -> CompiledMapping:
    """The runnable form of a version; equal ones are compiled once."""
    return _compiled(
        version.mapping.mapping_type,
        json.dumps(version.mappings),
        zone,
        settings.DEFAULT_PHONE_REGION,
    )


@lru_cache(maxsize=64)
def _compiled(mapping_type: str, written: str, zone: str, region: str) -> CompiledMapping:
    return compile_mapping(mapping_type, json.loads(written), zone=zone, region=region)
