"""Figures per day, for integrators and spreadsheets."""

from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from django.db.models import Q, QuerySet, Sum

from reports.engine import Period
from reports.models import (
    AffiliateDay,
    PointsDay,
    RegistrationDay,
    SalesDay,
    TemplateDay,
)
from reports.selectors.calendar import CENT, during
from reports.selectors.overview import MOVEMENTS


@dataclass(slots=True, kw_only=True)
class DailyFigures:
    """One day of the shop, or of one store. Points are signed as in the ledger.

    Affiliates, messages and registrations belong to no store: with a store they are None.
    """

    day: date
    bills: int = 0
    returns: int = 0
    net_sales: Decimal = Decimal("0.00")
    lines: int = 0
    customers: int = 0
    points_awarded: int = 0
    points_redeemed: int = 0
    points_expired: int = 0
    points_clawed_back: int = 0
    points_reversed: int = 0
    points_adjusted: int = 0
    new_customers: int | None = 0
    conversions: int | None = 0
    commission: Decimal | None = Decimal("0.00")
    messages_sent: int | None = 0
    messages_delivered: int | None = 0

    def leave_out_shop_wide(self) -> None:
        """Forget the figures that belong to no store."""
        self.new_customers = self.conversions = self.commission = None
        self.messages_sent = self.messages_delivered = None


_SALES_COLUMNS = {
    "bills": "bills",
    "returns": "returns",
    "net_sales": "net",
    "lines": "lines",
    "customers": "customers",
}
_POINTS_COLUMNS = {f"points_{name}": name for name in MOVEMENTS}
_AFFILIATE_COLUMNS = {"conversions": "conversions", "commission": "commission"}
_MESSAGE_COLUMNS = {"messages_sent": "sent", "messages_delivered": "delivered"}


def daily_figures(*, first: date, last: date, store_id: int | None = None) -> list[DailyFigures]:
    """One row a day from `first` to `last`, quiet days included; five queries at most."""
    period = Period(first, last)
    of_store = Q(store_id=store_id) if store_id else Q()
    days = {
        day: DailyFigures(day=day)
        for day in (first + timedelta(days=index) for index in range(period.days))
    }
    sources: list[tuple[QuerySet[Any], dict[str, str]]] = [
        (SalesDay.objects.filter(of_store), _SALES_COLUMNS),
        (PointsDay.objects.filter(of_store), _POINTS_COLUMNS),
    ]
    if store_id:
        for figures in days.values():
            figures.leave_out_shop_wide()
    else:
        sources += [
            (RegistrationDay.objects.all(), {"new_customers": "customers"}),
            (AffiliateDay.objects.all(), _AFFILIATE_COLUMNS),
            (TemplateDay.objects.all(), _MESSAGE_COLUMNS),
        ]
    for rows, columns in sources:
        sums = {f"sum_{name}": Sum(column) for name, column in columns.items()}
        for row in rows.filter(during(period)).order_by().values("day").annotate(**sums):
            for name in columns:
                figure = row[f"sum_{name}"]
                is_money = isinstance(figure, Decimal)
                setattr(days[row["day"]], name, figure.quantize(CENT) if is_money else figure)
    return list(days.values())
