"""Mappings: written rules in, typed rows or named faults out. No database, no clock."""

from erp.engine.faults import Fault, MappingFault
from erp.engine.mapping import CompiledMapping, MappingError, compile_mapping
from erp.engine.operations import OPERATIONS, Operation
from erp.engine.targets import TARGETS, Target

__all__ = [
    "OPERATIONS",
    "TARGETS",
    "CompiledMapping",
    "Fault",
    "MappingError",
    "MappingFault",
    "Operation",
    "Target",
    "compile_mapping",
]
