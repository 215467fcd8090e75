"""The database refuses to change or remove a seal."""

from django.db import migrations

from loyalty_site.common.append_only import install_statements, remove_statements

TABLE = "loyalty_ledgerseal"


def protect(apps, schema_editor):
    for statement in install_statements(schema_editor.connection.vendor, TABLE):
        schema_editor.execute(statement, params=None)


def unprotect(apps, schema_editor):
    for statement in remove_statements(schema_editor.connection.vendor, TABLE):
        schema_editor.execute(statement, params=None)


class Migration(migrations.Migration):
    dependencies = [("loyalty", "0009_ledger_seals")]
    operations = [migrations.RunPython(protect, unprotect)]
