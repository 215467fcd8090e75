"""Everything that writes affiliates, plans, conversions, commissions and payouts."""

from affiliates.services.applications import (
    Decision,
    answer_affiliate_invitation,
    apply_as_affiliate,
    decide_affiliates,
)
from affiliates.services.bindings import (
    bind_customer,
    end_binding,
)
from affiliates.services.buyers import (
    Buyer,
)
from affiliates.services.clicks import (
    count_share,
    drain_journal,
    make_visit,
    note_visit,
    prune_clicks,
    record_visits,
)
from affiliates.services.disputes import (
    answer_dispute,
    open_dispute,
)
from affiliates.services.enrolments import (
    add_code,
    change_overrides,
    end_enrolment,
    enrol_affiliate,
)
from affiliates.services.following import (
    follow_customers,
)
from affiliates.services.granting import (
    Amendment,
    amend_commissions,
    claw_back,
    grant_commission,
)
from affiliates.services.manual import (
    attribute_manually,
)
from affiliates.services.payouts import (
    approve_batch,
    cancel_batch,
    check_payout_details,
    give_payout_details,
    hand_over,
    make_batch,
    make_scheduled_batches,
    mark_paid,
    release_payouts,
    submit_batch,
)
from affiliates.services.people import (
    change_profile,
    register_affiliate,
    set_recruiter,
)
from affiliates.services.plans import (
    create_plan,
    discard_draft,
    draft_of,
    get_plan,
    publish_draft,
    publish_plan,
    read_draft,
    rename_plan,
    save_draft,
    terms_of,
    written_form,
)
from affiliates.services.reach import (
    create_link,
    default_target,
    open_first_links,
    open_links,
    save_target,
    set_links_active,
)
from affiliates.services.replaying import (
    cancel_plan_replay,
    get_plan_replay,
    next_plan_replay,
    run_plan_replay,
    start_plan_replay,
)
from affiliates.services.reviews import (
    Reviewed,
    hold_conversions,
    review_conversions,
)
from affiliates.services.sales_files import (
    COLUMNS,
    FileRow,
    read_sales,
    try_sales,
)
from affiliates.services.screening import (
    note_device,
    recheck_affiliates,
)
from affiliates.services.settling import (
    granted_reference,
    settle_commissions,
)
from affiliates.services.touches import (
    Said,
    claim_customers,
    claim_from_texts,
    claim_phone,
    record_touches,
    remember_click,
)
from affiliates.services.tracking import (
    TrackedResult,
    TrackedSale,
    track_lead,
    track_return,
    track_sales,
)
from affiliates.services.trying import (
    Imagined,
    PlanTryOut,
    simulate_commission,
    try_plan,
)

__all__ = [
    "COLUMNS",
    "Amendment",
    "Buyer",
    "Decision",
    "FileRow",
    "Imagined",
    "PlanTryOut",
    "Reviewed",
    "Said",
    "TrackedResult",
    "TrackedSale",
    "add_code",
    "amend_commissions",
    "answer_affiliate_invitation",
    "answer_dispute",
    "apply_as_affiliate",
    "approve_batch",
    "attribute_manually",
    "bind_customer",
    "cancel_batch",
    "cancel_plan_replay",
    "change_overrides",
    "change_profile",
    "check_payout_details",
    "claim_customers",
    "claim_from_texts",
    "claim_phone",
    "claw_back",
    "count_share",
    "create_link",
    "create_plan",
    "decide_affiliates",
    "default_target",
    "discard_draft",
    "draft_of",
    "drain_journal",
    "end_binding",
    "end_enrolment",
    "enrol_affiliate",
    "follow_customers",
    "get_plan",
    "get_plan_replay",
    "give_payout_details",
    "grant_commission",
    "granted_reference",
    "hand_over",
    "hold_conversions",
    "make_batch",
    "make_scheduled_batches",
    "make_visit",
    "mark_paid",
    "next_plan_replay",
    "note_device",
    "note_visit",
    "open_dispute",
    "open_first_links",
    "open_links",
    "prune_clicks",
    "publish_draft",
    "publish_plan",
    "read_draft",
    "read_sales",
    "recheck_affiliates",
    "record_touches",
    "record_visits",
    "register_affiliate",
    "release_payouts",
    "remember_click",
    "rename_plan",
    "review_conversions",
    "run_plan_replay",
    "save_draft",
    "save_target",
    "set_links_active",
    "set_recruiter",
    "settle_commissions",
    "simulate_commission",
    "start_plan_replay",
    "submit_batch",
    "terms_of",
    "track_lead",
    "track_return",
    "track_sales",
    "try_plan",
    "try_sales",
    "written_form",
]
