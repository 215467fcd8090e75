from django.urls import URLPattern, URLResolver, path

from affiliates import api, views
from affiliates.api import (
    AffiliatesView,
    AffiliateView,
    AmendCommissionsView,
    CancelPlanReplayView,
    ClawBackView,
    DecideView,
    GrantCommissionView,
    LinksView,
    PlanReplaysView,
    PlanReplayView,
    PlansView,
    PlanView,
    PublishPlanView,
    SimulatePlanView,
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
    path("affiliate/disputes/", views.disputes, name="affiliate-disputes"),
)

_batch = "affiliates/payout-batches/<int:batch_id>/"

api_urlpatterns: list[URLPattern | URLResolver] = [
    path("affiliates/", AffiliatesView.as_view(), name="affiliates"),
    path("affiliates/<int:affiliate_id>/", AffiliateView.as_view(), name="affiliate"),
    path("affiliates/<int:affiliate_id>/decide/", DecideView.as_view(), name="affiliate-decide"),
    path("affiliates/", api.AffiliatesView.as_view(), name="affiliates"),
    path(
        "affiliates/<int:affiliate_id>/commissions/",
        api.CommissionsView.as_view(),
        name="affiliate-commissions",
    ),
    path("affiliates/links/", LinksView.as_view(), name="affiliate-links"),
    path("affiliates/track/click/", TrackClickView.as_view(), name="affiliate-track-click"),
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
    path(
        "affiliates/<int:affiliate_id>/payout-details/",
        api.DetailsView.as_view(),
        name="affiliate-payout-details",
    ),
    path("affiliates/payouts/", api.PayoutsView.as_view(), name="payouts"),
    path("affiliates/payout-batches/", api.BatchesView.as_view(), name="payout-batches"),
    path(_batch, api.BatchView.as_view(), name="payout-batch"),
    path(f"{_batch}submit/", api.SubmitBatchView.as_view(), name="payout-batch-submit"),
    path(f"{_batch}approve/", api.ApproveBatchView.as_view(), name="payout-batch-approve"),
    path(f"{_batch}file/", api.BatchFileView.as_view(), name="payout-batch-file"),
    path(f"{_batch}paid/", api.BatchPaidView.as_view(), name="payout-batch-paid"),
    path(f"{_batch}release/", api.BatchReleaseView.as_view(), name="payout-batch-release"),
    path(f"{_batch}cancel/", api.CancelBatchView.as_view(), name="payout-batch-cancel"),
]
# Without a slash, as it is shared: that spelling is found at once.
urlpatterns: list[URLPattern | URLResolver] = [
    path("r/<str:code>", views.follow_link, name="follow-link"),
]
