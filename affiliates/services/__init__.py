"""Everything that writes affiliates, plans, conversions and commissions."""

from affiliates.services.granting import (
    Amendment,
    amend_commissions,
    claw_back,
    grant_commission,
)
from affiliates.services.people import (
    add_code,
    decide_affiliates,
    enrol_affiliate,
    register_affiliate,
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
from affiliates.services.replaying import (
    cancel_plan_replay,
    get_plan_replay,
    next_plan_replay,
    run_plan_replay,
    start_plan_replay,
)
from affiliates.services.settling import (
    granted_reference,
    settle_commissions,
)
from affiliates.services.trying import (
    Imagined,
    PlanTryOut,
    simulate_commission,
    try_plan,
)

__all__ = [
    "Amendment",
    "Imagined",
    "PlanTryOut",
    "add_code",
    "amend_commissions",
    "cancel_plan_replay",
    "claw_back",
    "create_plan",
    "decide_affiliates",
    "discard_draft",
    "draft_of",
    "enrol_affiliate",
    "get_plan",
    "get_plan_replay",
    "grant_commission",
    "granted_reference",
    "next_plan_replay",
    "publish_draft",
    "publish_plan",
    "read_draft",
    "register_affiliate",
    "rename_plan",
    "run_plan_replay",
    "save_draft",
    "settle_commissions",
    "simulate_commission",
    "start_plan_replay",
    "terms_of",
    "try_plan",
    "written_form",
]
