"""The product's web application with a bare redirect beside it, to measure it against."""

from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import path

from loyalty_site.urls import urlpatterns as product_urlpatterns


def bare(request: HttpRequest) -> HttpResponse:
    """A view that does nothing but redirect."""
    return HttpResponseRedirect("https://shop.example/")


urlpatterns = [*product_urlpatterns, path("bare/", bare)]
settings.ROOT_URLCONF = __name__
application = get_wsgi_application()
