from django.urls import URLPattern, URLResolver, path

from affiliates import views
from affiliates.api import (
    AffiliatesView,
    AffiliateView,
    CommissionsView,
    DecideView,
    LinksView,
    TrackClickView,
)
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
    path("affiliate/apply/", views.apply, name="affiliate-apply"),
    path("affiliate/apply/<str:code>/", views.apply, name="affiliate-recruit"),
    path("affiliate/answer/", views.answer, name="affiliate-answer"),
    path("affiliate/profile/", views.profile, name="affiliate-profile"),
    path("affiliate/recruits/", views.recruits, name="affiliate-recruits"),
)

api_urlpatterns: list[URLPattern | URLResolver] = [
    path("affiliates/", AffiliatesView.as_view(), name="affiliates"),
    path("affiliates/<int:affiliate_id>/", AffiliateView.as_view(), name="affiliate"),
    path("affiliates/<int:affiliate_id>/decide/", DecideView.as_view(), name="affiliate-decide"),
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
