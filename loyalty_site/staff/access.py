"""Every address of the product and who may use it: one reviewed line each.

A test walks the URL map against this table, with every role. An address without a line fails it,
and so does a view whose own `required_permissions` say something else. Pages of the back office
under `/admin/` are Django's own and stand together: model permissions decide there.
"""

from collections.abc import Mapping

PUBLIC = "public"
"""Anybody; the view itself shows nothing of a person."""
SIGNED_IN = "signed in"
"""Any user with a valid access token."""
CUSTOMER = "customer"
"""A customer who is signed in to the portal; he sees his own things only."""
SIGNATURE = "signature"
"""A machine that proves itself by a signature over what it sends."""
INTERNAL = "internal"
"""Our own networks, or the holder of a token made for it."""

ROUTES: Mapping[str, Mapping[str, str]] = {
    # Sign-in
    "/api/v1/auth/login": {"POST": PUBLIC},
    "/api/v1/auth/refresh": {"POST": PUBLIC},
    "/api/v1/auth/logout": {"POST": SIGNED_IN},
    # Customers and purchases
    "/api/v1/customers/": {"GET": "customers.view_customer", "POST": "customers.add_customer"},
    "/api/v1/customers/<int:customer_id>/": {
        "GET": "customers.view_customer",
        "PATCH": "customers.change_customer",
    },
    "/api/v1/segments/": {"GET": "customers.view_segment", "POST": "customers.add_segment"},
    "/api/v1/segments/fields/": {"GET": "customers.view_segment"},
    "/api/v1/segments/preview/": {"POST": "customers.view_segment"},
    "/api/v1/segments/<int:segment_id>/": {
        "GET": "customers.view_segment",
        "PATCH": "customers.change_segment",
    },
    "/api/v1/segments/<int:segment_id>/members/": {"GET": "customers.view_segment"},
    "/api/v1/purchases/": {"GET": "customers.view_purchase", "POST": "customers.add_purchase"},
    "/api/v1/purchases/<int:pk>/": {"GET": "customers.view_purchase"},
    # Points
    "/api/v1/loyalty/award/": {"POST": "loyalty.award_points"},
    "/api/v1/loyalty/award/batch/": {"POST": "loyalty.award_points"},
    "/api/v1/loyalty/events/": {"POST": "loyalty.award_points"},
    "/api/v1/loyalty/redeem/": {"POST": "loyalty.redeem_points"},
    "/api/v1/loyalty/accounts/<int:customer_id>/": {"GET": "loyalty.view_account"},
    "/api/v1/loyalty/accounts/<int:customer_id>/entries/": {"GET": "loyalty.view_pointsentry"},
    "/api/v1/loyalty/accounts/<int:customer_id>/entries/<int:entry_id>/explain/": {
        "GET": "loyalty.view_pointsentry"
    },
    # Rewards
    "/api/v1/loyalty/pay/quote/": {"POST": "loyalty.redeem_points"},
    "/api/v1/loyalty/pay/": {"POST": "loyalty.redeem_points"},
    "/api/v1/rewards/": {"GET": "loyalty.view_reward"},
    "/api/v1/rewards/redeem/": {"POST": "loyalty.redeem_points"},
    "/api/v1/rewards/<int:reward_id>/": {"GET": "loyalty.view_reward"},
    "/api/v1/redemptions/": {"GET": "loyalty.view_redemption", "POST": "loyalty.redeem_points"},
    "/api/v1/redemptions/<uuid:public_id>/": {"GET": "loyalty.view_redemption"},
    "/api/v1/redemptions/<uuid:public_id>/commit/": {"POST": "loyalty.redeem_points"},
    "/api/v1/redemptions/<uuid:public_id>/release/": {"POST": "loyalty.redeem_points"},
    "/api/v1/redemptions/<uuid:public_id>/cancel/": {"POST": "loyalty.cancel_redemption"},
    "/api/v1/vouchers/validate/": {"POST": "loyalty.use_voucher"},
    "/api/v1/vouchers/consume/": {"POST": "loyalty.use_voucher"},
    # Programmes and earning rules
    "/api/v1/loyalty/programs/": {"GET": "loyalty.view_program"},
    "/api/v1/loyalty/programs/<int:pk>/": {"GET": "loyalty.view_program"},
    "/api/v1/loyalty/rules/": {
        "GET": "loyalty.view_earningrule",
        "POST": "loyalty.add_earningrule",
    },
    "/api/v1/loyalty/rules/<int:rule_id>/": {
        "GET": "loyalty.view_earningrule",
        "PATCH": "loyalty.change_earningrule",
    },
    "/api/v1/loyalty/rules/<int:rule_id>/publish/": {"POST": "loyalty.publish_rule"},
    "/api/v1/loyalty/rules/<int:rule_id>/end/": {"POST": "loyalty.publish_rule"},
    "/api/v1/loyalty/returns/preview/": {"POST": "customers.view_purchase"},
    "/api/v1/loyalty/simulate/": {"POST": "loyalty.view_earningrule"},
    "/api/v1/loyalty/replays/": {
        "GET": "loyalty.view_replayjob",
        "POST": "loyalty.add_replayjob",
    },
    "/api/v1/loyalty/replays/<int:replay_id>/": {"GET": "loyalty.view_replayjob"},
    "/api/v1/loyalty/replays/<int:replay_id>/cancel/": {"POST": "loyalty.add_replayjob"},
    "/api/v1/loyalty/accounts/<int:customer_id>/tier/": {"GET": "loyalty.view_account"},
    "/api/v1/loyalty/accounts/<int:customer_id>/tier-history/": {"GET": "loyalty.view_tierchange"},
    "/api/v1/loyalty/accounts/<int:customer_id>/given-tier/": {"POST": "loyalty.give_tier"},
    "/api/v1/loyalty/accounts/<int:customer_id>/given-tier/end/": {"POST": "loyalty.give_tier"},
    "/api/v1/loyalty/accounts/<int:customer_id>/lots/": {"GET": "loyalty.view_account"},
    "/api/v1/loyalty/accounts/<int:customer_id>/pending/": {"GET": "loyalty.view_account"},
    "/api/v1/loyalty/accounts/<int:customer_id>/as-of/": {"GET": "loyalty.view_account"},
    "/api/v1/loyalty/tiers/": {"GET": "loyalty.view_tier"},
    "/api/v1/loyalty/jobs/": {"GET": "loyalty.view_jobrun"},
    "/api/v1/loyalty/claims/": {"POST": "customers.claim_purchase"},
    "/api/v1/loyalty/merges/": {
        "GET": "customers.view_customermerge",
        "POST": "customers.merge_customers",
    },
    "/api/v1/loyalty/merges/<int:merge_id>/undo/": {"POST": "customers.merge_customers"},
    "/api/v1/loyalty/transfers/": {
        "GET": "loyalty.view_pointstransfer",
        "POST": "loyalty.transfer_points",
    },
    "/api/v1/loyalty/households/": {
        "GET": "loyalty.view_household",
        "POST": "loyalty.change_household",
    },
    "/api/v1/loyalty/households/<int:household_id>/": {"GET": "loyalty.view_household"},
    "/api/v1/loyalty/households/<int:household_id>/members/": {"POST": "loyalty.change_household"},
    "/api/v1/loyalty/households/<int:household_id>/redeem/": {"POST": "loyalty.redeem_points"},
    "/api/v1/loyalty/household-members/<int:member_id>/": {"PATCH": "loyalty.change_household"},
    "/api/v1/loyalty/referrals/": {
        "GET": "loyalty.view_referral",
        "POST": "loyalty.add_referral",
    },
    "/api/v1/loyalty/referral-codes/": {"POST": "loyalty.add_referral"},
    # Affiliates
    "/api/v1/affiliates/": {
        "GET": "affiliates.view_affiliate",
        "POST": "affiliates.add_affiliate",
    },
    "/api/v1/affiliates/<int:affiliate_id>/": {"GET": "affiliates.view_affiliate"},
    "/api/v1/affiliates/<int:affiliate_id>/decide/": {"POST": "affiliates.decide_affiliate"},
    "/api/v1/affiliates/<int:affiliate_id>/commissions/": {
        "GET": "affiliates.view_commissionentry"
    },
    "/api/v1/affiliates/links/": {"GET": "affiliates.view_link", "POST": "affiliates.add_link"},
    "/api/v1/affiliates/track/click/": {"POST": "affiliates.add_click"},
    "/api/v1/affiliates/commissions/grant/": {"POST": "affiliates.adjust_commission"},
    "/api/v1/affiliates/commissions/claw-back/": {"POST": "affiliates.adjust_commission"},
    "/api/v1/affiliates/commissions/amend/": {"POST": "affiliates.adjust_commission"},
    "/api/v1/affiliates/plans/": {"GET": "affiliates.view_plan", "POST": "affiliates.add_plan"},
    "/api/v1/affiliates/plans/simulate/": {"POST": "affiliates.view_plan"},
    "/api/v1/affiliates/plans/<int:plan_id>/": {
        "GET": "affiliates.view_plan",
        "PATCH": "affiliates.change_plan",
    },
    "/api/v1/affiliates/plans/<int:plan_id>/publish/": {"POST": "affiliates.publish_plan"},
    "/api/v1/affiliates/plan-replays/": {
        "GET": "affiliates.view_planreplay",
        "POST": "affiliates.add_planreplay",
    },
    "/api/v1/affiliates/plan-replays/<int:replay_id>/": {"GET": "affiliates.view_planreplay"},
    "/api/v1/affiliates/plan-replays/<int:replay_id>/cancel/": {
        "POST": "affiliates.add_planreplay"
    },
    "/api/v1/affiliates/conversions/": {"GET": "affiliates.view_conversion"},
    "/api/v1/affiliates/purchases/<int:purchase_id>/attribution/": {
        "POST": "affiliates.attribute_conversion"
    },
    "/api/v1/affiliates/track/lead/": {"POST": "affiliates.add_touch"},
    "/api/v1/affiliates/track/sale/": {"POST": "customers.add_purchase"},
    "/api/v1/affiliates/track/sales/": {"POST": "customers.add_purchase"},
    "/api/v1/affiliates/track/return/": {"POST": "customers.add_purchase"},
    "/api/v1/affiliates/<int:affiliate_id>/payout-details/": {
        "GET": "affiliates.view_payoutdetails",
        "POST": "affiliates.add_payoutdetails",
    },
    "/api/v1/affiliates/payouts/": {"GET": "affiliates.view_payout"},
    "/api/v1/affiliates/payout-batches/": {
        "GET": "affiliates.view_payoutbatch",
        "POST": "affiliates.make_payouts",
    },
    "/api/v1/affiliates/payout-batches/<int:batch_id>/": {"GET": "affiliates.view_payoutbatch"},
    "/api/v1/affiliates/payout-batches/<int:batch_id>/submit/": {"POST": "affiliates.make_payouts"},
    "/api/v1/affiliates/payout-batches/<int:batch_id>/approve/": {
        "POST": "affiliates.approve_payouts"
    },
    "/api/v1/affiliates/payout-batches/<int:batch_id>/file/": {"POST": "affiliates.make_payouts"},
    "/api/v1/affiliates/payout-batches/<int:batch_id>/paid/": {"POST": "affiliates.make_payouts"},
    "/api/v1/affiliates/payout-batches/<int:batch_id>/release/": {
        "POST": "affiliates.make_payouts"
    },
    "/api/v1/affiliates/payout-batches/<int:batch_id>/cancel/": {"POST": "affiliates.make_payouts"},
    # ERP
    "/api/v1/erp/mappings": {"GET": "erp.view_mappingversion", "POST": "erp.add_mappingversion"},
    "/api/v1/erp/runs": {"GET": "erp.view_syncrun"},
    "/api/v1/erp/streams/<int:stream_id>/run": {"POST": "erp.run_stream"},
    # Reports
    "/api/v1/reports/daily/": {"GET": "reports.view_dashboard"},
    # The portal
    "/": {"GET": PUBLIC},
    "/sign-in/": {"GET": PUBLIC, "POST": PUBLIC},
    "/sign-in/code/": {"GET": PUBLIC, "POST": PUBLIC},
    "/sign-out/": {"POST": PUBLIC},
    "/language/": {"POST": PUBLIC},
    "/card/": {"GET": CUSTOMER},
    "/card/history/": {"GET": CUSTOMER},
    "/card/add-bill/": {"GET": CUSTOMER, "POST": CUSTOMER},
    "/card/send/": {"GET": CUSTOMER, "POST": CUSTOMER},
    "/card/household/": {"GET": CUSTOMER, "POST": CUSTOMER},
    "/friends/": {"GET": CUSTOMER},
    "/join/<str:code>/": {"GET": PUBLIC, "POST": PUBLIC},
    "/rewards/": {"GET": CUSTOMER},
    "/rewards/<int:reward_id>/": {"GET": CUSTOMER},
    "/rewards/<int:reward_id>/redeem/": {"POST": CUSTOMER},
    "/rewards/<int:reward_id>/picture/": {"GET": CUSTOMER},
    "/vouchers/": {"GET": CUSTOMER},
    "/vouchers/<uuid:public_id>/": {"GET": CUSTOMER},
    "/redemptions/<uuid:public_id>/": {"GET": CUSTOMER},
    "/redemptions/<uuid:public_id>/cancel/": {"POST": CUSTOMER},
    "/affiliate/": {"GET": CUSTOMER},
    "/affiliate/links/": {"GET": CUSTOMER, "POST": CUSTOMER},
    "/affiliate/links/<int:link_id>/share/": {"GET": CUSTOMER},
    "/affiliate/links/<int:link_id>/poster/": {"GET": CUSTOMER},
    "/affiliate/links/<int:link_id>/qr.svg": {"GET": CUSTOMER},
    "/affiliate/links/<int:link_id>/qr.png": {"GET": CUSTOMER},
    "/r/<str:code>": {"GET": PUBLIC},
    "/affiliate/apply/": {"GET": PUBLIC, "POST": PUBLIC},
    "/affiliate/apply/<str:code>/": {"GET": PUBLIC, "POST": PUBLIC},
    "/affiliate/answer/": {"POST": CUSTOMER},
    "/affiliate/profile/": {"GET": CUSTOMER, "POST": CUSTOMER},
    "/affiliate/recruits/": {"GET": CUSTOMER},
    "/affiliate/payouts/": {"GET": CUSTOMER},
    "/affiliate/payouts/<int:payout_id>/": {"GET": CUSTOMER},
    "/affiliate/payouts/<int:payout_id>/statement.<slug:kind>": {"GET": CUSTOMER},
    "/affiliate/statements/<int:year>-<int:month>.<slug:kind>": {"GET": CUSTOMER},
    "/affiliate/payout-details/": {"GET": CUSTOMER, "POST": CUSTOMER},
    "/affiliate/disputes/": {"GET": CUSTOMER, "POST": CUSTOMER},
    # Machines
    "/webhooks/whatsapp/": {"GET": SIGNATURE, "POST": SIGNATURE},
    "/livez": {"GET": PUBLIC},
    "/readyz": {"GET": PUBLIC},
    "/health": {"GET": PUBLIC},
    "/metrics": {"GET": INTERNAL},
    # Documentation
    "/docs": {"GET": PUBLIC},
    "/api/schema": {"GET": PUBLIC},
}
