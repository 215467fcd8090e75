from django.apps import AppConfig


class DemoConfig(AppConfig):
    """A shop to try everything on."""

    name = "loyalty_site.demo"
    label = "demo"
