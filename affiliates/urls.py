from django.urls import URLPattern, URLResolver, path

from affiliates import views
from affiliates.api import AffiliatesView, CommissionsView, LinksView, TrackClickView
from customers import portal

portal.add_urls(
    path("affiliate/", views.affiliate, name="affiliate"),
    path("affiliate/links/", views.links, name="affiliate-links"),
    path("affiliate/links/<int:link_id>/share/", views.share_link, name="affiliate-share"),
    path("affiliate/links/<int:link_id>/poster/", views.link_poster, name="affiliate-poster"),
    path(
        "affiliate/links/<int:link_id>/qr.svg",
        views.link_qr,
        {"kind": "svg"},
        name="affiliate-qr-svg",
    ),
    path(
        "affiliate/links/<int:link_id>/qr.png",
        views.link_qr,
        {"kind": "png"},
        name="affiliate-qr-png",
    ),
)

api_urlpatterns: list[URLPattern | URLResolver] = [
    path("affiliates/", AffiliatesView.as_view(), name="affiliates"),
    path(
        "affiliates/<int:affiliate_id>/commissions/",
        CommissionsView.as_view(),
        name="affiliate-commissions",
    ),
    path("affiliates/links/", LinksView.as_view(), name="affiliate-links"),
    path("affiliates/track/click/", TrackClickView.as_view(), name="affiliate-track-click"),
]
# Without a slash, as it is shared: that spelling is found at once.
urlpatterns: list[URLPattern | URLResolver] = [
    path("r/<str:code>", views.follow_link, name="follow-link"),
]
