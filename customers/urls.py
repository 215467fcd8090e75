from django.urls import URLPattern, URLResolver, include, path
from django.views.i18n import set_language

from customers import api, portal, views

portal.add_urls(
    path("sign-in/", views.sign_in, name="sign-in"),
    path("sign-in/code/", views.sign_in_code, name="sign-in-code"),
    path("sign-out/", views.sign_out, name="sign-out"),
    path("language/", set_language, name="language"),
)

api_urlpatterns: list[URLPattern | URLResolver] = [
    path("customers/", api.CustomersView.as_view(), name="customers"),
    path("customers/<int:customer_id>/", api.CustomerView.as_view(), name="customer"),
    path("segments/", api.SegmentsView.as_view(), name="segments"),
    path("segments/fields/", api.SegmentFieldsView.as_view(), name="segment-fields"),
    path("segments/preview/", api.SegmentPreviewView.as_view(), name="segment-preview"),
    path("segments/<int:segment_id>/", api.SegmentView.as_view(), name="segment"),
    path(
        "segments/<int:segment_id>/members/",
        api.SegmentMembersView.as_view(),
        name="segment-members",
    ),
]
urlpatterns: list[URLPattern | URLResolver] = [
    path("", include((portal.urlpatterns, "portal"))),
]
