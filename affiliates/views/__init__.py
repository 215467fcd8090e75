"""The portal pages of affiliates."""

from affiliates.views.applying import answer, apply, profile, recruits
from affiliates.views.home import affiliate

__all__ = ["affiliate", "answer", "apply", "profile", "recruits"]
