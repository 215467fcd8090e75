"""The policy took its place."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("loyalty", "0041_tiers_expiry_from_months")]
    operations = [migrations.RemoveField(model_name="program", name="expiry_months")]
