"""Gunicorn in production: processes that each answer one request and have a deadline for it.

A thread worker keeps its heartbeat while a request hangs on a frozen database; a sync worker does
not, and is replaced. Requests here never wait for another system but the database.
"""

import os

bind = "0.0.0.0:8000"
worker_class = "sync"
workers = int(os.environ.get("WEB_CONCURRENCY", "4"))
timeout = 8
graceful_timeout = 20
max_requests = 5_000
max_requests_jitter = 500
control_socket_disable = True
forwarded_allow_ips = "*"
errorlog = "-"
loglevel = "warning"
