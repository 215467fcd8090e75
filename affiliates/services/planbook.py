"""What plans say to the affiliates who are on them."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from affiliates.engine import Terms
from affiliates.models import Enrolment, PlanVersion

Share = dict[str, Any]
Figures = dict[str, Any]
WINNER, SPLIT, PARENT = "winner", "split", "parent"


@dataclass(frozen=True, slots=True)
class PlanBook:
    """The terms of plan versions, as each enrolment has them."""

    versions: Mapping[int, PlanVersion]
    enrolments: dict[int, Enrolment]
    _read: dict[tuple[int, str], Terms] = field(default_factory=dict)

    def terms(
        self, version_id: int, enrolment_id: int, overrides: Mapping[str, Any] | None = None
    ) -> Terms:
        """What a version says for an enrolment, by what it is promised now or was by then."""
        if overrides is None:
            overrides = self.enrolments[enrolment_id].overrides
        key = (version_id, json.dumps(overrides, sort_keys=True))
        if key not in self._read:
            version = self.versions[version_id]
            self._read[key] = Terms.read(
                kind=version.kind, rate=version.rate, terms=version.terms, overrides=overrides
            )
        return self._read[key]

    def all_terms(self, shares: Iterable[Share]) -> list[Terms]:
        """All that any version may say to these enrolments, and said when shares were pinned."""
        said = [
            self.terms(version.pk, enrolment.pk)
            for enrolment in self.enrolments.values()
            for version in self.versions.values()
            if version.plan_id == enrolment.plan_id
        ]
        pinned = [
            self.terms(
                share["plan_version_id"], share["enrolment_id"], share["pinned"]["overrides"]
            )
            for share in shares
            if share.get("pinned")
        ]
        return [*{id(one): one for one in (*said, *pinned)}.values()]

    def name(self, version_id: int) -> str:
        """The version as people call it."""
        return str(self.versions[version_id])


def plain(number: Decimal) -> str:
    """A number as a text without trailing zeros."""
    return f"{number.normalize():f}"
