"""What the fraud checks look at."""

from affiliates.services.clues.known import Evidence
from affiliates.services.clues.subjects import Subject

__all__ = ["Evidence", "Subject"]
