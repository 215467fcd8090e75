from django.urls import URLPattern, URLResolver, path

from erp.api import MappingsView, RunStreamView, RunsView

api_urlpatterns: list[URLPattern | URLResolver] = [
    path("erp/mappings", MappingsView.as_view(), name="erp-mappings"),
    path("erp/runs", RunsView.as_view(), name="erp-runs"),
    path("erp/streams/<int:stream_id>/run", RunStreamView.as_view(), name="erp-run-stream"),
]
urlpatterns: list[URLPattern | URLResolver] = []
