"""Which permissions a user holds, as a function: PostgreSQL plans it once a connection.

Read with every API call, where planning the statement anew takes longer than running it. A
prepared statement would do the same, but not behind a pooler that changes connections; SQLite
plans in no time.
"""

from django.db import migrations

CREATE = """
CREATE FUNCTION staff_held_permissions(of_user bigint) RETURNS text LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN (
        SELECT COALESCE(string_agg(permission_id::text, ','), '') FROM (
            SELECT permission_id FROM staff_user_user_permissions WHERE user_id = of_user
            UNION ALL
            SELECT g.permission_id FROM staff_user_groups m
            JOIN auth_group_permissions g ON g.group_id = m.group_id
            WHERE m.user_id = of_user) held
    );
END
$$
"""
DROP = "DROP FUNCTION staff_held_permissions(bigint)"


def create(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(CREATE)


def drop(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(DROP)


class Migration(migrations.Migration):
    dependencies = [("staff", "0002_roles")]
    operations = [migrations.RunPython(create, drop)]
