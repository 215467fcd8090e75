"""Days of birth and anniversary that are known get their index."""

from datetime import date

from django.db import migrations

from loyalty_site.common.crypto import blind_index

CHUNK = 1000


def fill(apps, schema_editor):
    customers = apps.get_model("customers", "Customer").objects
    last = 0
    while page := list(customers.filter(pk__gt=last).order_by("pk")[:CHUNK]):
        for customer in page:
            if customer.birth_date:
                customer.birthday_index = index_of("birthday", date.fromisoformat(customer.birth_date))
            if customer.anniversary_on:
                customer.anniversary_index = index_of("anniversary", customer.anniversary_on)
        known = [one for one in page if one.birthday_index or one.anniversary_index]
        customers.bulk_update(known, ["birthday_index", "anniversary_index"])
        last = page[-1].pk


def index_of(occasion, day):
    return blind_index(f"customer-{occasion}", f"{day:%m-%d}")


class Migration(migrations.Migration):
    dependencies = [("customers", "0040_birthday_index")]
    operations = [migrations.RunPython(fill, migrations.RunPython.noop)]
