"""What the fraud checks look at."""

from affiliates.services.evidence.known import Evidence
from affiliates.services.evidence.subjects import Subject

__all__ = ["Evidence", "Subject"]
