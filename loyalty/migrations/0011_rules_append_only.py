"""The database refuses to change or remove what rules are known to have given."""

from django.db import migrations

from loyalty_site.common.append_only import install_statements, remove_statements

TABLE = "loyalty_rulegrant"


def protect(apps, schema_editor):
    for statement in install_statements(schema_editor.connection.vendor, TABLE):
        schema_editor.execute(statement, params=None)


def unprotect(apps, schema_editor):
    for statement in remove_statements(schema_editor.connection.vendor, TABLE):
        schema_editor.execute(statement, params=None)


class Migration(migrations.Migration):
    dependencies = [("loyalty", "0010_rules_drafts_limits_replays")]
    operations = [migrations.RunPython(protect, unprotect)]
