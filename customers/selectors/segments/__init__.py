"""Who meets a condition: the registry of fields, and conditions as one query."""

from customers.selectors.segments import fields
from customers.selectors.segments.asking import (
    SegmentPreview,
    get_segment,
    members_of,
    preview_segment,
    segment_members,
    segment_sentence,
    segments_of_customers,
)
from customers.selectors.segments.conditions import (
    compared,
    figure_condition,
)
from customers.selectors.segments.registry import (
    Scope,
    SegmentField,
    register_segment_field,
    segment_fields,
)

__all__ = [
    "Scope",
    "SegmentField",
    "SegmentPreview",
    "compared",
    "fields",
    "figure_condition",
    "get_segment",
    "members_of",
    "preview_segment",
    "register_segment_field",
    "segment_fields",
    "segment_members",
    "segment_sentence",
    "segments_of_customers",
]
