"""Commissions by hand, from the page of the commission ledger."""

from typing import Any

from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from unfold.decorators import action

from affiliates.errors import BillNotFoundError
from affiliates.forms import GrantForm
from affiliates.services import claw_back, grant_commission
from customers.models import Purchase
from loyalty_site.common.errors import DomainError


class GrantsByHand:
    """A page's action that grants a commission, or takes money back, with a reason."""

    actions_list = ["grant"]

    def has_grant_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        """Who may write commissions by hand."""
        return request.user.has_perm("affiliates.adjust_commission")

    @action(description="By hand", permissions=["grant"], icon="edit_note", url_path="by-hand")
    def grant(self, request: Any) -> HttpResponse:
        """Ask for the affiliate, the amount and the reason."""
        if not self.has_grant_permission(request):
            raise PermissionDenied
        form = GrantForm(request.POST if request.method == "POST" else None)
        if request.method == "POST" and form.is_valid():
            try:
                self._write(form.cleaned_data, request.user)
            except DomainError as error:
                field = getattr(error, "field", None) or "bill"
                form.add_error(field if field in form.fields else None, str(error))
            else:
                self.message_user(request, "It is written down.")  # type: ignore[attr-defined]
                return HttpResponseRedirect(reverse("admin:affiliates_commissionentry_changelist"))
        context = {
            **self.admin_site.each_context(request),  # type: ignore[attr-defined]
            "title": "A commission by hand",
            "opts": self.model._meta,  # type: ignore[attr-defined]
            "form": form,
        }
        return render(request, "admin/affiliates/grant.html", context)

    def _write(self, given: dict[str, Any], user: Any) -> None:
        number, what = given.pop("bill").strip(), given.pop("what")
        words = {**given, "currency": settings.DEFAULT_CURRENCY, "acting_user": user}
        if what == "clawback":
            claw_back(**words)
            return
        purchase = None
        if number:
            purchase = Purchase.objects.filter(number=number, kind=Purchase.Kind.SALE).last()
            if purchase is None:
                raise BillNotFoundError(number=number)
        grant_commission(**words, purchase=purchase)
