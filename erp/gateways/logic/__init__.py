"""LOGIC ERP: POST with Basic credentials, pages by GlobalModifyCode."""

from erp.gateways.logic.mappings import DEFAULT_MAPPINGS
from erp.gateways.logic.source import LogicSource

__all__ = ["DEFAULT_MAPPINGS", "LogicSource"]
