"""The portal pages of affiliates, and the short links."""

from affiliates.views.home import affiliate
from affiliates.views.links import link_poster, link_qr, links, share_link
from affiliates.views.reach import follow_link

__all__ = ["affiliate", "follow_link", "link_poster", "link_qr", "links", "share_link"]
