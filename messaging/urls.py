from django.urls import URLPattern, URLResolver, path

from messaging.views import whatsapp_webhook

api_urlpatterns: list[URLPattern | URLResolver] = []
urlpatterns: list[URLPattern | URLResolver] = [
    path("webhooks/whatsapp/", whatsapp_webhook, name="whatsapp-webhook"),
]
