"""Clicks: what is remembered of them."""

CLICK_COOKIE = "aff_click"
