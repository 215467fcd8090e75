"""Where a request comes from."""

import ipaddress

from django.conf import settings
from django.http import HttpRequest


def client_address(request: HttpRequest) -> str:
    """The caller's IP address, as our own proxies saw it.

    Each of the `TRUSTED_PROXIES` in front of us adds one entry to `X-Forwarded-For`; what stands
    left of theirs was written by the caller and is ignored.
    """
    direct = str(request.META.get("REMOTE_ADDR", ""))
    forwarded = [part.strip() for part in request.headers.get("X-Forwarded-For", "").split(",")]
    proxies: int = settings.TRUSTED_PROXIES
    claimed = forwarded[-proxies] if 0 < proxies <= len(forwarded) else direct
    try:
        return str(ipaddress.ip_address(claimed))
    except ValueError:
        return direct


def client_network(request: HttpRequest) -> str:
    """The caller for counting: an IPv4 address, or the /64 that one IPv6 subscriber owns."""
    return network_of(client_address(request))


def network_of(address: str) -> str:
    """An IPv4 address as it is, of an IPv6 address its /64."""
    if ":" not in address:
        return address
    return str(ipaddress.ip_network(f"{address.split('%')[0]}/64", strict=False))


def is_internal(request: HttpRequest) -> bool:
    """Whether the caller sits on this machine or a private network of ours.

    A request that was forwarded by a proxy we do not know of is never internal.
    """
    if not settings.TRUSTED_PROXIES and "X-Forwarded-For" in request.headers:
        return False
    try:
        return ipaddress.ip_address(client_address(request)).is_private
    except ValueError:
        return False
