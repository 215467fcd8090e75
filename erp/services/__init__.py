"""The only code that writes this app's tables where a rule applies."""

from erp.services.connections import (
    check_address,
    check_connection,
    connect_erp,
    ensure_default_connection,
    resume_connection,
    save_connection,
)
from erp.services.mappings import save_mapping
from erp.services.quarantine import replay_quarantined
from erp.services.runs import next_due_stream, request_run
from erp.services.streams import check_stream, save_stream
from erp.services.sync import run_stream, sync_connection

__all__ = [
    "check_address",
    "check_connection",
    "check_stream",
    "connect_erp",
    "ensure_default_connection",
    "next_due_stream",
    "replay_quarantined",
    "request_run",
    "resume_connection",
    "run_stream",
    "save_connection",
    "save_mapping",
    "save_stream",
    "sync_connection",
]
