from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Fault:
    """Why one value, or one row, could not be read; `field` is the target it was meant for."""

    code: str
    message: str
    field: str = ""


@dataclass(frozen=True, slots=True)
class MappingFault:
    """What is wrong with a mapping, at its place in the JSON, like `mappings.3.target_field`."""

    position: str
    code: str
    message: str
