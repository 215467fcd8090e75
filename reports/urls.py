from django.urls import URLPattern, URLResolver, path

from reports.api import DailyReportView

api_urlpatterns: list[URLPattern | URLResolver] = [
    path("reports/daily/", DailyReportView.as_view(), name="reports-daily"),
]
urlpatterns: list[URLPattern | URLResolver] = []
