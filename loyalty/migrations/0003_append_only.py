"""The database refuses to change or remove what the ledger wrote."""

from django.db import migrations

from loyalty_site.common.append_only import install_statements, remove_statements

TABLES = ("loyalty_pointsentry", "loyalty_allocation", "loyalty_tierchange")


def protect(apps, schema_editor):
    for table in TABLES:
        for statement in install_statements(schema_editor.connection.vendor, table):
            schema_editor.execute(statement, params=None)


def unprotect(apps, schema_editor):
    for table in TABLES:
        for statement in remove_statements(schema_editor.connection.vendor, table):
            schema_editor.execute(statement, params=None)


class Migration(migrations.Migration):
    dependencies = [("loyalty", "0002_post_awards")]
    operations = [migrations.RunPython(protect, unprotect)]
