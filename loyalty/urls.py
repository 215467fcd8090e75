from django.urls import URLPattern, URLResolver, path

from customers import portal
from loyalty import api, views

portal.add_urls(
    path("card/", views.card, name="card"),
    path("card/history/", views.history, name="history"),
    path("card/add-bill/", views.add_bill, name="add-bill"),
    path("card/send/", views.send, name="send"),
    path("card/household/", views.household, name="household"),
    path("friends/", views.friends, name="friends"),
    path("join/<str:code>/", views.join, name="join"),
    path("rewards/", views.rewards, name="rewards"),
    path("rewards/<int:reward_id>/", views.reward, name="reward"),
    path("rewards/<int:reward_id>/redeem/", views.redeem, name="reward-redeem"),
    path("rewards/<int:reward_id>/picture/", views.picture, name="reward-picture"),
    path("vouchers/", views.mine, name="vouchers"),
    path("vouchers/<uuid:public_id>/", views.voucher, name="voucher"),
    path("redemptions/<uuid:public_id>/", views.redemption, name="redemption"),
    path("redemptions/<uuid:public_id>/cancel/", views.cancel, name="redemption-cancel"),
)

api_urlpatterns: list[URLPattern | URLResolver] = [
    path("loyalty/award/", api.AwardView.as_view(), name="loyalty-award"),
    path("loyalty/award/batch/", api.BatchAwardView.as_view(), name="loyalty-award-batch"),
    path("loyalty/events/", api.EventsView.as_view(), name="loyalty-events"),
    path("loyalty/redeem/", api.RedeemView.as_view(), name="loyalty-redeem"),
    path("loyalty/accounts/<int:customer_id>/", api.AccountView.as_view(), name="loyalty-account"),
    path(
        "loyalty/accounts/<int:customer_id>/entries/",
        api.EntriesView.as_view(),
        name="loyalty-entries",
    ),
    path(
        "loyalty/accounts/<int:customer_id>/entries/<int:entry_id>/explain/",
        api.ExplainView.as_view(),
        name="loyalty-explain",
    ),
    path("loyalty/pay/quote/", api.PaymentQuoteView.as_view(), name="payment-quote"),
    path("loyalty/pay/", api.PaymentView.as_view(), name="payment"),
    path("rewards/", api.RewardsView.as_view(), name="rewards"),
    path("rewards/redeem/", api.RedeemRewardView.as_view(), name="reward-redeem"),
    path("rewards/<int:reward_id>/", api.RewardView.as_view(), name="reward"),
    path("redemptions/", api.RedemptionsView.as_view(), name="redemptions"),
    path("redemptions/<uuid:public_id>/", api.RedemptionView.as_view(), name="redemption"),
    path(
        "redemptions/<uuid:public_id>/commit/",
        api.CommitRedemptionView.as_view(),
        name="redemption-commit",
    ),
    path(
        "redemptions/<uuid:public_id>/release/",
        api.ReleaseRedemptionView.as_view(),
        name="redemption-release",
    ),
    path(
        "redemptions/<uuid:public_id>/cancel/",
        api.CancelRedemptionView.as_view(),
        name="redemption-cancel",
    ),
    path("vouchers/validate/", api.ValidateVoucherView.as_view(), name="voucher-validate"),
    path("vouchers/consume/", api.ConsumeVoucherView.as_view(), name="voucher-consume"),
    path("loyalty/programs/", api.ProgramsView.as_view(), name="loyalty-programs"),
    path("loyalty/programs/<int:pk>/", api.ProgramView.as_view(), name="loyalty-program"),
    path("loyalty/rules/", api.RulesView.as_view(), name="loyalty-rules"),
    path("loyalty/rules/<int:rule_id>/", api.RuleView.as_view(), name="loyalty-rule"),
    path(
        "loyalty/rules/<int:rule_id>/publish/",
        api.PublishRuleView.as_view(),
        name="loyalty-rule-publish",
    ),
    path("loyalty/rules/<int:rule_id>/end/", api.EndRuleView.as_view(), name="loyalty-rule-end"),
    path(
        "loyalty/returns/preview/",
        api.ReturnPreviewView.as_view(),
        name="loyalty-return-preview",
    ),
    path("loyalty/simulate/", api.SimulateView.as_view(), name="loyalty-simulate"),
    path("loyalty/replays/", api.ReplaysView.as_view(), name="loyalty-replays"),
    path("loyalty/replays/<int:replay_id>/", api.ReplayView.as_view(), name="loyalty-replay"),
    path(
        "loyalty/replays/<int:replay_id>/cancel/",
        api.CancelReplayView.as_view(),
        name="loyalty-replay-cancel",
    ),
    path(
        "loyalty/accounts/<int:customer_id>/tier/",
        api.StandingView.as_view(),
        name="loyalty-tier",
    ),
    path(
        "loyalty/accounts/<int:customer_id>/tier-history/",
        api.TierHistoryView.as_view(),
        name="loyalty-tier-history",
    ),
    path(
        "loyalty/accounts/<int:customer_id>/given-tier/",
        api.GivenTierView.as_view(),
        name="loyalty-given-tier",
    ),
    path(
        "loyalty/accounts/<int:customer_id>/given-tier/end/",
        api.EndGivenTierView.as_view(),
        name="loyalty-given-tier-end",
    ),
    path(
        "loyalty/accounts/<int:customer_id>/lots/",
        api.LotsView.as_view(),
        name="loyalty-lots",
    ),
    path(
        "loyalty/accounts/<int:customer_id>/pending/",
        api.PendingView.as_view(),
        name="loyalty-pending",
    ),
    path(
        "loyalty/accounts/<int:customer_id>/as-of/",
        api.AsOfView.as_view(),
        name="loyalty-as-of",
    ),
    path("loyalty/tiers/", api.TiersView.as_view(), name="loyalty-tiers"),
    path("loyalty/jobs/", api.JobRunsView.as_view(), name="loyalty-jobs"),
    path("loyalty/claims/", api.ClaimsView.as_view(), name="loyalty-claims"),
    path("loyalty/merges/", api.MergesView.as_view(), name="loyalty-merges"),
    path(
        "loyalty/merges/<int:merge_id>/undo/", api.UndoMergeView.as_view(), name="loyalty-unmerge"
    ),
    path("loyalty/transfers/", api.TransfersView.as_view(), name="loyalty-transfers"),
    path("loyalty/households/", api.HouseholdsView.as_view(), name="loyalty-households"),
    path(
        "loyalty/households/<int:household_id>/",
        api.HouseholdView.as_view(),
        name="loyalty-household",
    ),
    path(
        "loyalty/households/<int:household_id>/members/",
        api.HouseholdMembersView.as_view(),
        name="loyalty-household-members",
    ),
    path(
        "loyalty/households/<int:household_id>/redeem/",
        api.HouseholdRedeemView.as_view(),
        name="loyalty-household-redeem",
    ),
    path(
        "loyalty/household-members/<int:member_id>/",
        api.HouseholdPlaceView.as_view(),
        name="loyalty-household-place",
    ),
    path("loyalty/referrals/", api.ReferralsView.as_view(), name="loyalty-referrals"),
    path("loyalty/referral-codes/", api.ReferralCodesView.as_view(), name="loyalty-codes"),
    path("purchases/", api.PurchasesView.as_view(), name="purchases"),
    path("purchases/<int:pk>/", api.PurchaseView.as_view(), name="purchase"),
]
urlpatterns: list[URLPattern | URLResolver] = []
