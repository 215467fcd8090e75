"""What the portal's base template asks for."""

from dataclasses import dataclass
from typing import Any

from django import template
from django.http import HttpRequest
from django.urls import reverse

from customers import portal

register = template.Library()


@dataclass(frozen=True, slots=True)
class NavigationItem:
    """A page as the navigation shows it."""

    page: portal.Page
    url: str
    is_current: bool


@register.simple_tag(takes_context=True)
def portal_navigation(context: dict[str, Any]) -> list[NavigationItem]:
    """The pages of a signed-in customer; nobody else has any."""
    request: HttpRequest = context["request"]
    if portal.portal_customer(request) is None:
        return []
    return [
        NavigationItem(page, url, is_current=request.path == url)
        for page in portal.pages()
        for url in [reverse(page.url_name)]
    ]
