"""The portal pages of affiliates."""

from affiliates.views.disputes import disputes
from affiliates.views.home import affiliate

__all__ = ["affiliate", "disputes"]
