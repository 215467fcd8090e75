"""The back office's home page, its sidebar and its badge: what the admin theme asks for."""

from reports.dashboard.home import home
from reports.dashboard.navigation import environment, sidebar, tabs

__all__ = ["environment", "home", "sidebar", "tabs"]
