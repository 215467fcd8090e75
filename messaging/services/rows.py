"""Writing changed columns of many rows in one statement."""

from collections.abc import Sequence

from django.db.models import Model

from loyalty_site.common.rows import update_rows


def save_columns(instances: Sequence[Model], columns: Sequence[str]) -> None:
    """Write these columns of instances of one model; an encrypted column is sealed on the way."""
    if not instances:
        return
    model = type(instances[0])
    by_name = {field.name: field for field in model._meta.concrete_fields}
    fields = [by_name[name] for name in columns]
    update_rows(
        model,
        ("id", *columns),
        [
            (each.pk, *(field.get_prep_value(getattr(each, field.attname)) for field in fields))
            for each in instances
        ],
    )
