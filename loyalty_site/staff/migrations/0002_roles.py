from django.db import migrations

ROLES = [
    "owner",
    "manager",
    "marketer",
    "support",
    "cashier",
    "finance",
    "analyst",
    "integrator",
]


def add_roles(apps, schema_editor):
    group_model = apps.get_model("auth", "Group")
    group_model.objects.bulk_create(
        [group_model(name=name) for name in ROLES], ignore_conflicts=True
    )


class Migration(migrations.Migration):
    """The roles as groups; their permissions follow from the table after every migration."""

    dependencies = [("staff", "0001_initial"), ("auth", "0012_alter_user_first_name_max_length")]

    operations = [migrations.RunPython(add_roles, migrations.RunPython.noop)]
