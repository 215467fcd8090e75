import time

from celery import shared_task

from erp.errors import LeaseLostError, StreamBusyError, StreamStoppedError
from erp.services import next_due_stream, run_stream

_SLICE_S = 240.0


@shared_task
def run_due_streams() -> None:
    """Read the streams that are due, one after another, for at most a slice of time.

    A run that needs longer is left unfinished and due again: the next sweep goes on with it.
    """
    until = time.monotonic() + _SLICE_S
    while (left := until - time.monotonic()) > 0 and (stream := next_due_stream()):
        try:
            run_stream(stream=stream, slice_s=left)
        except (StreamBusyError, StreamStoppedError, LeaseLostError):
            return
