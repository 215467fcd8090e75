"""Affiliates who bring each other."""

from collections import defaultdict
from collections.abc import Collection, Sequence

from affiliates.models import Affiliate, Conversion
from affiliates.services.clues.subjects import Subject


class Circles:
    """Who brought or recruited whom among affiliates who buy themselves."""

    def __init__(self, subjects: Sequence[Subject]) -> None:
        buyers = {subject.buyer_id for subject in subjects} - {None}
        self._buyers = {
            affiliate.customer_id: affiliate
            for affiliate in Affiliate.objects.filter(customer__in=buyers)
        }
        self._names: dict[int, str] = {}
        near = {affiliate.pk for affiliate in self._buyers.values()}
        self._edges = self._brought(near)
        far = {to for reached in self._edges.values() for to in reached}
        self._edges |= self._brought(far - near)

    def through(self, subject: Subject) -> list[str]:
        """The names along a circle of two or three affiliates that this bill closes."""
        buyer, affiliate = self._buyers.get(subject.buyer_id), subject.affiliate
        if buyer is None or buyer.pk == affiliate.pk:
            return []
        brought = self._edges.get(buyer.pk, set())
        if affiliate.pk in brought:
            return [affiliate.name, buyer.name, affiliate.name]
        for middle in sorted(brought):
            if affiliate.pk in self._edges.get(middle, set()):
                return [affiliate.name, buyer.name, self._names[middle], affiliate.name]
        return []

    def _brought(self, affiliates: Collection[int]) -> dict[int, set[int]]:
        edges: dict[int, set[int]] = defaultdict(set)
        if not affiliates:
            return edges
        by_bills = (
            Conversion.objects.filter(
                enrolment__affiliate__in=affiliates, purchase__customer__affiliate__isnull=False
            )
            .exclude(review=Conversion.Review.REFUSED)
            .values_list(
                "enrolment__affiliate_id",
                "purchase__customer__affiliate__id",
                "purchase__customer__affiliate__name",
            )
        )
        recruited = Affiliate.objects.filter(parent__in=affiliates)
        for source, to, name in by_bills.union(
            recruited.order_by().values_list("parent_id", "id", "name")
        ):
            edges[source].add(to)
            self._names[to] = name
        return edges
