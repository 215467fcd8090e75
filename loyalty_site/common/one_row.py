"""Tables of one row in the back office: what a shop tunes."""

from typing import Any

from django.http import HttpRequest


class OneRow:
    """The row is made once, changed as often as one likes, and never removed."""

    model: Any
    opts: Any

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Every page of the back office asks this; the row is looked for on its own pages only."""
        match = request.resolver_match
        own = f"{self.opts.app_label}_{self.opts.model_name}_"
        is_own = match is not None and (match.url_name or "").startswith(own)
        return bool(super().has_add_permission(request)) and not (  # type: ignore[misc]
            is_own and self.model.objects.exists()
        )

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody."""
        return False
