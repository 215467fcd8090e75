"""Customers as these endpoints name them."""

from customers.errors import (
    CustomerErasedError,
    CustomerMergedError,
    CustomerNotFoundError,
)
from customers.models import Customer

MOST_POINTS = 100_000_000


def customer_of(customer_id: int) -> Customer:
    """A customer by number.

    Raises:
        CustomerNotFoundError, CustomerErasedError, CustomerMergedError: there is none.
    """
    customer = Customer.objects.filter(pk=customer_id).first()
    if customer is None:
        raise CustomerNotFoundError()
    if customer.status == Customer.Status.ERASED:
        raise CustomerErasedError()
    if customer.merged_into_id is not None:
        raise CustomerMergedError(survivor_id=customer.merged_into_id)
    return customer
