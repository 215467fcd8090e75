"""The database refuses to change who did what with a payout batch."""

from django.db import migrations

from loyalty_site.common.append_only import install_statements, remove_statements

TABLE = "affiliates_payoutstep"


def protect(apps, schema_editor):
    for statement in install_statements(schema_editor.connection.vendor, TABLE):
        schema_editor.execute(statement, params=None)


def unprotect(apps, schema_editor):
    for statement in remove_statements(schema_editor.connection.vendor, TABLE):
        schema_editor.execute(statement, params=None)


class Migration(migrations.Migration):
    dependencies = [("affiliates", "0040_payout_steps")]
    operations = [migrations.RunPython(protect, unprotect)]
