"""The database refuses to change or remove commissions and published plan versions."""

from django.db import migrations

from loyalty_site.common.append_only import install_statements, remove_statements

TABLES = ("affiliates_commissionentry", "affiliates_planversion")


def protect(apps, schema_editor):
    for table in TABLES:
        for statement in install_statements(schema_editor.connection.vendor, table):
            schema_editor.execute(statement, params=None)


def unprotect(apps, schema_editor):
    for table in TABLES:
        for statement in remove_statements(schema_editor.connection.vendor, table):
            schema_editor.execute(statement, params=None)


class Migration(migrations.Migration):
    dependencies = [("affiliates", "0001_initial")]
    operations = [migrations.RunPython(protect, unprotect)]
