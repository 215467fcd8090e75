from django.urls import URLPattern, URLResolver, path

from affiliates import views
from affiliates.api import AffiliatesView, CommissionsView
from customers import portal

portal.add_urls(
    path("affiliate/", views.affiliate, name="affiliate"),
    path("affiliate/disputes/", views.disputes, name="affiliate-disputes"),
)

api_urlpatterns: list[URLPattern | URLResolver] = [
    path("affiliates/", AffiliatesView.as_view(), name="affiliates"),
    path(
        "affiliates/<int:affiliate_id>/commissions/",
        CommissionsView.as_view(),
        name="affiliate-commissions",
    ),
]
urlpatterns: list[URLPattern | URLResolver] = []
