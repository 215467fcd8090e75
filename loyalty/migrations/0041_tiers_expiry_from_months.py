"""Programmes that let points live for some months say so as a policy."""

from django.db import migrations


def to_policy(apps, schema_editor):
    for program in apps.get_model("loyalty", "Program").objects.all():
        months = program.expiry_months
        program.expiry = (
            {"kind": "months", "length": months} if months else {"kind": "none"}
        )
        program.save(update_fields=["expiry"])


def to_months(apps, schema_editor):
    for program in apps.get_model("loyalty", "Program").objects.all():
        program.expiry_months = (
            program.expiry["length"] if program.expiry["kind"] == "months" else None
        )
        program.save(update_fields=["expiry_months"])


class Migration(migrations.Migration):
    dependencies = [("loyalty", "0040_tiers_schema")]
    operations = [migrations.RunPython(to_policy, to_months)]
