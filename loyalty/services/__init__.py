"""The writes of this app: all rules about when points move."""

from loyalty.services.accounts import (
    default_program,
    open_accounts,
)
from loyalty.services.adjustments import (
    adjustment_limit,
    approve_adjustment,
    refuse_adjustment,
    request_adjustment,
)
from loyalty.services.batches import (
    AwardResult,
    CustomerAward,
    award_customers,
)
from loyalty.services.bills import load_bills
from loyalty.services.claims import (
    claim_bill,
    claim_purchases,
    claim_waiting_bills,
)
from loyalty.services.expiry import (
    lifetime,
    policy_for,
    set_tier_expiry,
)
from loyalty.services.households import (
    answer_invitation,
    invite_to_household,
    leave_household,
    open_household,
    redeem_from_household,
    set_sharing,
)
from loyalty.services.merging import (
    merge_customers,
    separate_customers,
)
from loyalty.services.occasions import (
    EventAward,
    EventOccasion,
    award_events,
)
from loyalty.services.periodic import (
    JOBS,
    ask_for_nightly_jobs,
    release_overdue_holds,
    restart_job,
    run_nightly,
)
from loyalty.services.points import (
    PointsRequest,
    award_points,
    award_points_batch,
    expire_accounts,
    redeem_points,
    reverse_entry,
)
from loyalty.services.purchases import (
    Settlement,
    settle_purchases,
)
from loyalty.services.redemptions import (
    BillNamed,
    RewardWish,
    cancel_redemption,
    cancel_reservation,
    commit_redemption,
    expire_reservations,
    redeem_reward,
    reserve_payment,
    reserve_reward,
)
from loyalty.services.referrals import (
    find_referrer,
    join_at_till,
    record_referral,
    referral_code_of,
    review_due_referrals,
    review_friends,
    review_referrals,
)
from loyalty.services.replay_jobs import (
    MOST_DAYS,
    cancel_job,
    claim_job,
    finish_job,
    refuse_too_many,
    run_job,
)
from loyalty.services.replays import (
    cancel_replay,
    get_replay,
    next_replay,
    run_replay,
    start_replay,
)
from loyalty.services.returns import ReturnPreview, preview_return
from loyalty.services.rewards import (
    Gates,
    check_reward,
    picture_type,
    save_reward,
    set_offered,
)
from loyalty.services.rules import (
    change_draft,
    create_rule,
    discard_draft,
    end_rule,
    get_rule,
    publish_draft,
    publish_rule_version,
)
from loyalty.services.seals import (
    seal_days,
)
from loyalty.services.simulation import (
    DraftRule,
    Simulation,
    TryOut,
    simulate_bill,
    try_on_purchase,
)
from loyalty.services.terms import (
    people_terms,
)
from loyalty.services.tiers import (
    end_tier_periods,
    give_tier,
    move_tiers,
    review_tiers,
    take_given_tier,
)
from loyalty.services.transfers import (
    transfer_points,
)
from loyalty.services.vouchers import (
    MAKE_TASK,
    apply_import,
    drop_import,
    expire_vouchers,
    generate_codes,
    make_codes,
    preview_import,
    save_pool,
    use_voucher,
)

__all__ = [
    "JOBS",
    "MAKE_TASK",
    "MOST_DAYS",
    "AwardResult",
    "BillNamed",
    "CustomerAward",
    "DraftRule",
    "EventAward",
    "EventOccasion",
    "Gates",
    "PointsRequest",
    "ReturnPreview",
    "RewardWish",
    "Settlement",
    "Simulation",
    "TryOut",
    "adjustment_limit",
    "answer_invitation",
    "apply_import",
    "approve_adjustment",
    "ask_for_nightly_jobs",
    "award_customers",
    "award_events",
    "award_points",
    "award_points_batch",
    "cancel_job",
    "cancel_redemption",
    "cancel_replay",
    "cancel_reservation",
    "change_draft",
    "check_reward",
    "claim_bill",
    "claim_job",
    "claim_purchases",
    "claim_waiting_bills",
    "commit_redemption",
    "create_rule",
    "default_program",
    "discard_draft",
    "drop_import",
    "end_rule",
    "end_tier_periods",
    "expire_accounts",
    "expire_reservations",
    "expire_vouchers",
    "find_referrer",
    "finish_job",
    "generate_codes",
    "get_replay",
    "get_rule",
    "give_tier",
    "invite_to_household",
    "join_at_till",
    "leave_household",
    "lifetime",
    "load_bills",
    "make_codes",
    "merge_customers",
    "move_tiers",
    "next_replay",
    "open_accounts",
    "open_household",
    "people_terms",
    "picture_type",
    "policy_for",
    "preview_import",
    "preview_return",
    "publish_draft",
    "publish_rule_version",
    "record_referral",
    "redeem_from_household",
    "redeem_points",
    "redeem_reward",
    "referral_code_of",
    "refuse_adjustment",
    "refuse_too_many",
    "release_overdue_holds",
    "request_adjustment",
    "reserve_payment",
    "reserve_reward",
    "restart_job",
    "reverse_entry",
    "review_due_referrals",
    "review_friends",
    "review_referrals",
    "review_tiers",
    "run_job",
    "run_nightly",
    "run_replay",
    "save_pool",
    "save_reward",
    "seal_days",
    "separate_customers",
    "set_offered",
    "set_sharing",
    "set_tier_expiry",
    "settle_purchases",
    "simulate_bill",
    "start_replay",
    "take_given_tier",
    "transfer_points",
    "try_on_purchase",
    "use_voucher",
]
