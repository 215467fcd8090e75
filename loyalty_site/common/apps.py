from django.apps import AppConfig


class CommonConfig(AppConfig):
    """Shared ground of all apps: no models."""

    name = "loyalty_site.common"
    label = "common"
