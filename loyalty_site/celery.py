"""The Celery application: it wakes work that lives in rows."""

import os

from celery import Celery
from kombu.transport.redis import Channel

from loyalty_site import broker

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "loyalty_site.settings")
broker.register()

# Whoever loses Redis in the middle of a task tries to hand the message back over the connection
# that is gone, and dies of it. Messages only wake workers, and beat wakes them again anyway.
Channel.do_restore = False

app = Celery("loyalty_site")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
