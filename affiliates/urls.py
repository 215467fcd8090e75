from django.urls import URLPattern, URLResolver, path

from affiliates import views
from affiliates.api import AffiliatesView, CommissionsView
from customers import portal

portal.add_urls(
    path("affiliate/", views.affiliate, name="affiliate"),
    path("affiliate/payouts/", views.payouts, name="affiliate-payouts"),
    path("affiliate/payouts/<int:payout_id>/", views.payout, name="affiliate-payout"),
    path(
        "affiliate/payouts/<int:payout_id>/statement.<slug:kind>",
        views.payout_statement_file,
        name="affiliate-payout-statement",
    ),
    path(
        "affiliate/statements/<int:year>-<int:month>.<slug:kind>",
        views.month_statement_file,
        name="affiliate-statement",
    ),
    path("affiliate/payout-details/", views.payout_details, name="affiliate-payout-details"),
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
