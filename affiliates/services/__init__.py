"""Everything that writes affiliates, plans, conversions and commissions."""

from affiliates.services.clicks import (
    count_share,
    drain_journal,
    make_visit,
    note_visit,
    prune_clicks,
    record_visits,
)
from affiliates.services.people import (
    add_code,
    decide_affiliates,
    enrol_affiliate,
    register_affiliate,
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
    "add_code",
    "count_share",
    "create_link",
    "decide_affiliates",
    "default_target",
    "drain_journal",
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
    "settle_commissions",
]
