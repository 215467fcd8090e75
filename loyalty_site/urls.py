"""Every address of the product: each app's pages at the root, its API under `/api/v1/`."""

from django.contrib import admin
from django.urls import include, path

from affiliates.urls import api_urlpatterns as affiliates_api
from customers.urls import api_urlpatterns as customers_api
from erp.urls import api_urlpatterns as erp_api
from loyalty.urls import api_urlpatterns as loyalty_api
from loyalty_site.common.routing import either_slash
from loyalty_site.staff.urls import api_urlpatterns as staff_api
from messaging.urls import api_urlpatterns as messaging_api
from reports.urls import api_urlpatterns as reports_api

handler400 = "loyalty_site.staff.views.bad_request"
handler403 = "loyalty_site.staff.views.permission_denied"
handler404 = "loyalty_site.staff.views.not_found"
handler500 = "loyalty_site.staff.views.server_error"

urlpatterns = [
    path("admin/", admin.site.urls),
    either_slash(
        "api/v1/",
        [
            *staff_api,
            *customers_api,
            *loyalty_api,
            *affiliates_api,
            *messaging_api,
            *erp_api,
            *reports_api,
        ],
    ),
    either_slash(
        "",
        [
            path("", include("loyalty_site.staff.urls")),
            path("", include("customers.urls")),
            path("", include("loyalty.urls")),
            path("", include("affiliates.urls")),
            path("", include("messaging.urls")),
            path("", include("erp.urls")),
            path("", include("reports.urls")),
        ],
    ),
]
