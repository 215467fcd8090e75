from django.urls import URLPattern, URLResolver, path

from affiliates import api, views
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

_batch = "affiliates/payout-batches/<int:batch_id>/"

api_urlpatterns: list[URLPattern | URLResolver] = [
    path("affiliates/", AffiliatesView.as_view(), name="affiliates"),
    path(
        "affiliates/<int:affiliate_id>/commissions/",
        CommissionsView.as_view(),
        name="affiliate-commissions",
    ),
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
urlpatterns: list[URLPattern | URLResolver] = []
