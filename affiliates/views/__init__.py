"""The portal pages of affiliates, and the short links."""

from affiliates.views.applying import (
    answer,
    apply,
    profile,
    recruits,
)
from affiliates.views.disputes import (
    disputes,
)
from affiliates.views.home import (
    affiliate,
)
from affiliates.views.links import (
    link_poster,
    link_qr,
    links,
    share_link,
)
from affiliates.views.payouts import (
    month_statement_file,
    payout,
    payout_details,
    payout_statement_file,
    payouts,
)
from affiliates.views.reach import (
    follow_link,
)

__all__ = [
    "affiliate",
    "answer",
    "apply",
    "disputes",
    "follow_link",
    "link_poster",
    "link_qr",
    "links",
    "month_statement_file",
    "payout",
    "payout_details",
    "payout_statement_file",
    "payouts",
    "profile",
    "recruits",
    "share_link",
]
