"""Templates: fetched from WhatsApp, bound to automations by staff."""

from collections.abc import Mapping
from datetime import datetime

import structlog
from django.db import transaction

from loyalty_site.staff.models import User
from messaging.engine.fields import is_field
from messaging.engine.templates import blanks
from messaging.errors import (
    BindingIncompleteError,
    FailureKind,
    FieldUnknownError,
    GatewayError,
    TemplateUnknownError,
)
from messaging.gateways.whatsapp import RemoteTemplate, list_templates
from messaging.models import Automation, Channel, Template
from messaging.selectors import describe_failure, find_template
from messaging.services.channels import address_of, stop_channel

logger = structlog.get_logger(__name__)

_GONE = "DELETED"


def sync_templates(*, channel: Channel, now: datetime) -> int:
    """Fetch every template of a number's account; returns how many there are.

    Nothing is changed unless the whole list could be read. Templates that are no longer listed
    stay, as deleted. A refused token stops the number.

    Raises:
        GatewayError: the list could not be read.
    """
    try:
        listed = {(each.name, each.language): each for each in list_templates(address_of(channel))}
    except GatewayError as error:
        if error.kind in {FailureKind.AUTHENTICATION, FailureKind.ACCOUNT_STOPPED}:
            stop_channel(channel=channel, because=describe_failure(error))
        raise
    _store(channel, listed, now=now)
    return len(listed)


@transaction.atomic
def _store(
    channel: Channel, listed: Mapping[tuple[str, str], RemoteTemplate], *, now: datetime
) -> None:
    Channel.objects.select_for_update().get(pk=channel.pk)
    known = {
        (template.name, template.language): template
        for template in Template.objects.filter(channel=channel)
    }
    for key, template in known.items():
        if key in listed:
            _take_over(template, listed[key], now=now)
        elif template.status != _GONE:
            template.status, template.status_at = _GONE, now
    Template.objects.bulk_update(list(known.values()), _SYNCED)
    Template.objects.bulk_create(
        [
            _take_over(
                Template(channel=channel, name=name, language=language, status_at=now), row, now=now
            )
            for (name, language), row in listed.items()
            if (name, language) not in known
        ]
    )


_SYNCED = [
    *("remote_id", "category", "status", "status_at"),
    *("parameter_format", "components", "quality", "synced_at"),
]


def _take_over(template: Template, row: RemoteTemplate, *, now: datetime) -> Template:
    template.remote_id, template.category = row.id, row.category
    template.parameter_format, template.components = row.parameter_format, row.components
    template.quality, template.synced_at = row.quality, now
    # A webhook may have told a newer state while the list was under way.
    if template.status_at <= now:
        template.status, template.status_at = row.status, now
    return template


@transaction.atomic
def save_automation(
    *,
    automation: Automation,
    template_name: str,
    bindings: Mapping[str, str],
    is_enabled: bool,
    max_age_hours: int,
    acting_user: User | None = None,
) -> Automation:
    """Change what an event sends. Each blank of the template must be filled by a known field.

    Raises:
        TemplateUnknownError: no language of the template is known.
        FieldUnknownError: a binding names no field.
        BindingIncompleteError: a blank has no field.
    """
    template = find_template(template_name)
    if template is None:
        raise TemplateUnknownError(field="template_name", name=template_name)
    needed = [blank.key for blank in blanks(template.components)]
    for key in needed:
        if not bindings.get(key):
            raise BindingIncompleteError(field="template_name", slot=key, name=template_name)
        if not is_field(bindings[key]):
            raise FieldUnknownError(field="template_name", name=bindings[key])
    locked = Automation.objects.select_for_update().get(pk=automation.pk)
    locked.template_name, locked.is_enabled = template_name, is_enabled
    locked.bindings = {key: bindings[key] for key in needed}
    locked.max_age_hours = max_age_hours
    locked.save(update_fields=["template_name", "is_enabled", "bindings", "max_age_hours"])
    by = acting_user.pk if acting_user else None
    logger.info("automation_saved", trigger=locked.trigger, by=by)
    return locked
