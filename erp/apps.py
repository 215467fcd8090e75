from django.apps import AppConfig

SCHEDULES: dict[str, tuple[str, float]] = {
    "ERP: read due streams": ("erp.tasks.run_due_streams", 15),
}


class ErpConfig(AppConfig):
    """Reads bills, customers and items from the shop's ERP."""

    name = "erp"
    verbose_name = "ERP"
