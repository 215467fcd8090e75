"""Limits to begin with; the shop changes them in the back office."""

from django.db import migrations

LIMITS = {"owner": 100_000, "manager": 10_000, "finance": 10_000, "support": 500}


def create(apps, schema_editor):
    limits = apps.get_model("loyalty", "AdjustmentLimit")
    for role, points in LIMITS.items():
        limits.objects.get_or_create(role=role, defaults={"points_a_day": points})


class Migration(migrations.Migration):
    dependencies = [("loyalty", "0007_adjustments")]
    operations = [migrations.RunPython(create, migrations.RunPython.noop)]
