"""Outside systems: one module or package each, chosen by the connection's kind."""

from collections.abc import Callable

from erp.gateways.logic import LogicSource
from erp.gateways.source import Endpoint, GatewayError, Page, Record, Source

__all__ = ["Endpoint", "GatewayError", "Page", "Record", "Source", "open_source"]

_SOURCES: dict[str, Callable[[Endpoint], Source]] = {"logic": LogicSource}


def open_source(endpoint: Endpoint) -> Source:
    """The adapter for an endpoint; close it after use. Does not speak to the outside yet."""
    return _SOURCES[endpoint.kind](endpoint)
