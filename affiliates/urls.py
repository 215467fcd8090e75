from django.urls import URLPattern, URLResolver, path

from affiliates import api, views
from customers import portal

portal.add_urls(path("affiliate/", views.affiliate, name="affiliate"))

api_urlpatterns: list[URLPattern | URLResolver] = [
    path("affiliates/", api.AffiliatesView.as_view(), name="affiliates"),
    path(
        "affiliates/<int:affiliate_id>/commissions/",
        api.CommissionsView.as_view(),
        name="affiliate-commissions",
    ),
    path("affiliates/conversions/", api.ConversionsView.as_view(), name="affiliate-conversions"),
    path(
        "affiliates/purchases/<int:purchase_id>/attribution/",
        api.AttributionView.as_view(),
        name="affiliate-attribution",
    ),
    path("affiliates/track/lead/", api.TrackLeadView.as_view(), name="affiliate-track-lead"),
    path("affiliates/track/sale/", api.TrackSaleView.as_view(), name="affiliate-track-sale"),
    path("affiliates/track/sales/", api.TrackSalesView.as_view(), name="affiliate-track-sales"),
    path("affiliates/track/return/", api.TrackReturnView.as_view(), name="affiliate-track-return"),
]
urlpatterns: list[URLPattern | URLResolver] = []
