import pytest
from django.http import HttpRequest, HttpResponse
from django.urls import Resolver404, include, path, re_path

from loyalty_site.common.routing import either_slash


def view(request: HttpRequest) -> HttpResponse:
    return HttpResponse()


routes = either_slash(
    "api/v1/",
    [
        path("customers/", view, name="list"),
        path("customers/<int:pk>", view, name="detail"),
        path("loyalty/award", view),
        re_path(r"^regex/(?P<pk>\d+)/$", view),
        path("nested/", include([path("", view), path("inner/", view)])),
    ],
)


@pytest.mark.parametrize(
    "address",
    [
        "api/v1/customers",
        "api/v1/customers/7",
        "api/v1/loyalty/award",
        "api/v1/regex/7",
        "api/v1/nested",
        "api/v1/nested/inner",
    ],
)
def test_answers_with_and_without_the_slash(address: str) -> None:
    assert routes.resolve(address).func is view
    assert routes.resolve(f"{address}/").func is view


@pytest.mark.parametrize(
    "address",
    ["api/v1/customers//", "api/v1//customers", "api/v1/other/", "api/v1/customers/x", "api/v2/"],
)
def test_other_addresses_stay_unknown(address: str) -> None:
    with pytest.raises(Resolver404):
        routes.resolve(address)
