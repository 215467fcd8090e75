"""Everything that writes affiliates, plans, conversions and commissions."""

from affiliates.services.applications import (
    Decision,
    answer_affiliate_invitation,
    apply_as_affiliate,
    decide_affiliates,
)
from affiliates.services.clicks import (
    count_share,
    drain_journal,
    make_visit,
    note_visit,
    prune_clicks,
    record_visits,
)
from affiliates.services.enrolments import (
    add_code,
    change_overrides,
    end_enrolment,
    enrol_affiliate,
)
from affiliates.services.people import (
    change_profile,
    register_affiliate,
    set_recruiter,
)
from affiliates.services.plans import (
    publish_plan,
)
from affiliates.services.reach import (
    create_link,
    default_target,
    open_first_links,
    open_links,
    save_target,
    set_links_active,
)
from affiliates.services.settling import (
    settle_commissions,
)

__all__ = [
    "Decision",
    "add_code",
    "answer_affiliate_invitation",
    "apply_as_affiliate",
    "change_overrides",
    "change_profile",
    "count_share",
    "create_link",
    "decide_affiliates",
    "default_target",
    "drain_journal",
    "end_enrolment",
    "enrol_affiliate",
    "make_visit",
    "note_visit",
    "open_first_links",
    "open_links",
    "prune_clicks",
    "publish_plan",
    "record_visits",
    "register_affiliate",
    "save_target",
    "set_links_active",
    "set_recruiter",
    "settle_commissions",
]
