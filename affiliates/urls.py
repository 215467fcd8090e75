from django.urls import URLPattern, URLResolver, path

from affiliates import views
from affiliates.api import AffiliatesView, AffiliateView, CommissionsView, DecideView
from customers import portal

portal.add_urls(
    path("affiliate/", views.affiliate, name="affiliate"),
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
]
urlpatterns: list[URLPattern | URLResolver] = []
