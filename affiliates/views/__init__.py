"""The portal pages of affiliates."""

from affiliates.views.home import affiliate

__all__ = ["affiliate"]
