from django.urls import URLPattern, URLResolver, path

from affiliates import views
from affiliates.api import (
    AffiliatesView,
    AmendCommissionsView,
    CancelPlanReplayView,
    ClawBackView,
    CommissionsView,
    GrantCommissionView,
    PlanReplaysView,
    PlanReplayView,
    PlansView,
    PlanView,
    PublishPlanView,
    SimulatePlanView,
)
from customers import portal

portal.add_urls(path("affiliate/", views.affiliate, name="affiliate"))

api_urlpatterns: list[URLPattern | URLResolver] = [
    path("affiliates/", AffiliatesView.as_view(), name="affiliates"),
    path(
        "affiliates/<int:affiliate_id>/commissions/",
        CommissionsView.as_view(),
        name="affiliate-commissions",
    ),
    path("affiliates/commissions/grant/", GrantCommissionView.as_view(), name="commission-grant"),
    path("affiliates/commissions/claw-back/", ClawBackView.as_view(), name="commission-claw-back"),
    path("affiliates/commissions/amend/", AmendCommissionsView.as_view(), name="commission-amend"),
    path("affiliates/plans/", PlansView.as_view(), name="affiliate-plans"),
    path("affiliates/plans/simulate/", SimulatePlanView.as_view(), name="affiliate-simulate"),
    path("affiliates/plans/<int:plan_id>/", PlanView.as_view(), name="affiliate-plan"),
    path(
        "affiliates/plans/<int:plan_id>/publish/",
        PublishPlanView.as_view(),
        name="affiliate-plan-publish",
    ),
    path("affiliates/plan-replays/", PlanReplaysView.as_view(), name="affiliate-plan-replays"),
    path(
        "affiliates/plan-replays/<int:replay_id>/",
        PlanReplayView.as_view(),
        name="affiliate-plan-replay",
    ),
    path(
        "affiliates/plan-replays/<int:replay_id>/cancel/",
        CancelPlanReplayView.as_view(),
        name="affiliate-plan-replay-cancel",
    ),
]
urlpatterns: list[URLPattern | URLResolver] = []
