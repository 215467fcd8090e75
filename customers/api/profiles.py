"""Customers for tills, web shops and integrators."""

from datetime import UTC, date, datetime
from typing import Any, ClassVar, cast

import django_filters
from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import generics, serializers, status
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from customers.errors import CustomerMergedError, CustomerNotFoundError
from customers.models import Customer, Store
from customers.selectors import contact_lookup
from customers.services import ProfileChanges, change_customer, register_customer
from loyalty_site.common.serializers import LineField, StrictSerializer
from loyalty_site.staff.idempotency import idempotent
from loyalty_site.staff.models import User

_YEARS = range(1990, 2101)


class ProfileSerializer(StrictSerializer):
    """What a till or web shop writes about a customer."""

    name = LineField(max_length=120)
    phone = LineField(
        max_length=32,
        required=False,
        allow_blank=True,
        help_text="Any usual spelling; without country code it is a number of the shop's country.",
    )
    email = LineField(max_length=254, required=False, allow_blank=True)
    birth_date = serializers.DateField(required=False, allow_null=True)
    anniversary_on = serializers.DateField(required=False, allow_null=True)
    city = LineField(max_length=80, required=False, allow_blank=True)
    language = LineField(max_length=8, required=False)
    home_store = serializers.SlugRelatedField(
        slug_field="code",
        queryset=Store.objects.all(),
        required=False,
        allow_null=True,
        help_text="The code of a store.",
    )

    @property
    def changes(self) -> ProfileChanges:
        """The given fields, as the services take them."""
        fields: dict[str, Any] = dict(self.validated_data)
        if "home_store" in fields:
            store: Store | None = fields.pop("home_store")
            fields["home_store_code"] = store.code if store else ""
        return cast(ProfileChanges, fields)


class RegistrationSerializer(ProfileSerializer):
    """A new customer, and who brought them."""

    referral_code = LineField(
        max_length=12,
        required=False,
        allow_blank=True,
        help_text="The code of the customer who brought this one; an unknown one is left alone.",
    )


class CustomerSerializer(serializers.ModelSerializer[Customer]):
    """A customer. Contacts and birth date are masked for callers who may not see them."""

    phone = serializers.SerializerMethodField()
    email = serializers.SerializerMethodField()
    birth_date = serializers.SerializerMethodField()
    home_store = serializers.SlugRelatedField[Store](slug_field="code", read_only=True)

    class Meta:
        model = Customer
        fields: ClassVar[list[str]] = [
            "id",
            "public_id",
            "name",
            "phone",
            "phone_reachable",
            "email",
            "birth_date",
            "anniversary_on",
            "city",
            "language",
            "home_store",
            "status",
            "created_at",
            "updated_at",
        ]

    @property
    def _shows_contacts(self) -> bool:
        request: Request = self.context["request"]
        return request.user.has_perm("customers.view_contact")

    def get_phone(self, customer: Customer) -> str:
        return customer.phone if self._shows_contacts else customer.masked_phone

    def get_email(self, customer: Customer) -> str:
        return customer.email if self._shows_contacts else customer.masked_email

    @extend_schema_field(serializers.DateField(allow_null=True))
    def get_birth_date(self, customer: Customer) -> date | None:
        if not customer.birth_date or not self._shows_contacts:
            return None
        return date.fromisoformat(customer.birth_date)


class CustomerFilters(django_filters.FilterSet):  # type: ignore[misc]
    """How a list of customers is narrowed."""

    phone = django_filters.CharFilter(
        method="by_contact", max_length=32, help_text="Any usual spelling."
    )
    email = django_filters.CharFilter(method="by_contact", max_length=254)
    name = django_filters.CharFilter(
        lookup_expr="icontains", max_length=80, help_text="Part of the name."
    )
    city = django_filters.CharFilter(lookup_expr="iexact", max_length=80)
    status = django_filters.ChoiceFilter(choices=Customer.Status.choices)
    created_from = django_filters.IsoDateTimeFilter(method="by_time", help_text="Inclusive.")
    created_until = django_filters.IsoDateTimeFilter(method="by_time", help_text="Exclusive.")

    class Meta:
        model = Customer
        fields: ClassVar[list[str]] = []

    def by_contact(self, customers: QuerySet[Customer], name: str, text: str) -> QuerySet[Customer]:
        """Exactly this phone or address."""
        if (name == "email") != ("@" in text):
            return customers.none()
        return customers.filter(**contact_lookup(text))

    def by_time(self, customers: QuerySet[Customer], name: str, at: datetime) -> QuerySet[Customer]:
        """Registered from or until a moment."""
        if at.year not in _YEARS:
            raise ValidationError({name: ["This date is not plausible."]}, code="invalid")
        lookup = "created_at__gte" if name == "created_from" else "created_at__lt"
        return customers.filter(**{lookup: at.astimezone(UTC)})


class CustomersView(generics.ListAPIView[Customer]):
    """Customers, newest first."""

    serializer_class = CustomerSerializer
    filterset_class = CustomerFilters
    queryset = Customer.objects.live().select_related("home_store")
    required_permissions: ClassVar[dict[str, str]] = {
        "GET": "customers.view_customer",
        "POST": "customers.add_customer",
    }

    @extend_schema(operation_id="customers_list", summary="List and find customers")
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Newest first, in pages. Phone and e-mail find exactly one customer."""
        return super().get(request, *args, **kwargs)

    @extend_schema(
        operation_id="customers_create",
        summary="Register a customer",
        request=RegistrationSerializer,
        responses={201: CustomerSerializer},
    )
    @idempotent
    def post(self, request: Request) -> Response:
        """A phone or address that another customer has is refused with 409: `phone_taken`,
        `email_taken`."""
        body = RegistrationSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        customer = register_customer(
            source="api",
            referral_code=body.validated_data.pop("referral_code", ""),
            acting_user=cast(User, request.user),
            **body.changes,
        )
        return Response(
            self.get_serializer(customer).data,
            status=status.HTTP_201_CREATED,
            headers={"Location": f"/api/v1/customers/{customer.pk}/"},
        )


class CustomerView(APIView):
    """One customer."""

    required_permissions: ClassVar[dict[str, str]] = {
        "GET": "customers.view_customer",
        "PATCH": "customers.change_customer",
    }

    @extend_schema(
        operation_id="customers_get", summary="One customer", responses=CustomerSerializer
    )
    def get(self, request: Request, customer_id: int) -> Response:
        """By the number that the list shows as `id`."""
        found = Customer.objects.select_related("home_store").filter(pk=customer_id)
        customer = found.exclude(status=Customer.Status.ERASED).first()
        if customer is None:
            raise CustomerNotFoundError()
        if customer.merged_into_id is not None:
            raise CustomerMergedError(survivor_id=customer.merged_into_id)
        return Response(CustomerSerializer(customer, context={"request": request}).data)

    @extend_schema(
        operation_id="customers_change",
        summary="Change a customer",
        request=ProfileSerializer(partial=True),
        responses=CustomerSerializer,
    )
    def patch(self, request: Request, customer_id: int) -> Response:
        """Only the given fields change; an empty text or null empties a field."""
        body = ProfileSerializer(data=request.data, partial=True)
        body.is_valid(raise_exception=True)
        customer = change_customer(
            customer_id=customer_id,
            changes=body.changes,
            source="api",
            acting_user=cast(User, request.user),
        )
        return Response(CustomerSerializer(customer, context={"request": request}).data)
