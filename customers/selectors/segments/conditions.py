"""How a test of a field becomes a condition of a query."""

from typing import Any

from django.db.models import Aggregate, Q, QuerySet

from customers.engine import (
    Operator,
    Test,
)


def compared(path: str, test: Test) -> Q:
    """A column or annotation compared with the test's values."""
    match test.operator:
        case Operator.AT_LEAST | Operator.SINCE:
            return Q(**{f"{path}__gte": test.values[0]})
        case Operator.AT_MOST | Operator.UNTIL:
            return Q(**{f"{path}__lte": test.values[0]})
        case Operator.BETWEEN:
            return Q(**{f"{path}__range": test.values})
        case Operator.NONE_OF:
            return ~Q(**{f"{path}__in": test.values})
        case Operator.YES:
            return Q(**{path: True})
        case Operator.NO:
            return ~Q(**{path: True})
        case _:
            return Q(**{f"{path}__in": test.values})


def figure_condition(
    rows: QuerySet[Any], figure: Aggregate, test: Test, *, empty: Any, customer: str = "customer_id"
) -> Q:
    """A figure over rows per customer, compared; `empty` is the figure of who has no rows.

    One aggregation over the rows, joined by set, not one look-up for each customer.
    """
    figures = rows.order_by().values(customer).annotate(_figure=figure)
    if test.matches(empty):
        return ~Q(pk__in=figures.exclude(compared("_figure", test)).values(customer))
    return Q(pk__in=figures.filter(compared("_figure", test)).values(customer))


def has_rows(rows: QuerySet[Any], test: Test, *, customer: str = "customer_id") -> Q:
    """Whether a customer has any of the rows; the values were already applied to them."""
    having = Q(pk__in=rows.order_by().values(customer))
    return ~having if test.operator in (Operator.NONE_OF, Operator.NO) else having
