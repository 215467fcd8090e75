"""What India withholds from commission, as dated rows; a shop's adviser has to confirm them."""

from datetime import date
from decimal import Decimal

from django.db import migrations

SOURCE = "Section 194H of the Income-tax Act (commission); to be confirmed by your adviser."
RATES = (
    # valid from, threshold of a financial year, percent, percent without PAN (section 206AA)
    (date(2024, 10, 1), Decimal("15000"), Decimal("2"), Decimal("20")),
    (date(2025, 4, 1), Decimal("20000"), Decimal("2"), Decimal("20")),
)


def ship(apps, schema_editor):
    rate = apps.get_model("affiliates", "WithholdingRate")
    for valid_from, threshold, percent, without_pan in RATES:
        rate.objects.get_or_create(
            country="IN",
            valid_from=valid_from,
            defaults={
                "name": "TDS on commission",
                "yearly_threshold": threshold,
                "rate": percent,
                "rate_without_tax_id": without_pan,
                "year_begins_month": 4,
                "source": SOURCE,
            },
        )


class Migration(migrations.Migration):
    dependencies = [("affiliates", "0041_payout_steps_append_only")]
    # The table is append-only: going back leaves the rows, and coming again finds them.
    operations = [migrations.RunPython(ship, migrations.RunPython.noop)]
