"""The database refuses to change what was decided by hand, payout details, and tax rates."""

from django.db import migrations

from loyalty_site.common.append_only import install_statements, remove_statements

TABLES = (
    "affiliates_manualattribution",
    "affiliates_payoutdetails",
    "affiliates_withholdingrate",
)


def protect(apps, schema_editor):
    for table in TABLES:
        for statement in install_statements(schema_editor.connection.vendor, table):
            schema_editor.execute(statement, params=None)


def unprotect(apps, schema_editor):
    for table in TABLES:
        for statement in remove_statements(schema_editor.connection.vendor, table):
            schema_editor.execute(statement, params=None)


class Migration(migrations.Migration):
    dependencies = [("affiliates", "0003_whole")]
    operations = [migrations.RunPython(protect, unprotect)]
