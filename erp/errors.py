"""Every way this app says no."""

from collections.abc import Sequence

from erp.engine import MappingFault
from loyalty_site.common.errors import DomainError, InvalidInputError, NotFoundError


class InvalidMappingError(InvalidInputError):
    """A mapping cannot be used; `faults` has every reason with its place in the JSON."""

    code = "invalid_mapping"
    message = "{position}: {reason}"

    def __init__(self, faults: Sequence[MappingFault]) -> None:
        self.faults = tuple(faults)
        first = self.faults[0]
        super().__init__(field=first.position, position=first.position, reason=first.message)


class WrongMappingError(InvalidInputError):
    """A stream cannot work by a mapping that is for something else."""

    code = "wrong_mapping"
    message = "This mapping is for {mapping_type}, the stream reads {entity}."


class InsecureAddressError(InvalidInputError):
    """Credentials would travel unsealed."""

    code = "insecure_address"
    message = (
        "Write the address with https://. Plain http:// needs the tick “may use plain http”, "
        "for an ERP inside your own network."
    )


class StreamStoppedError(DomainError):
    """The stream is off, or its connection waits for a person."""

    code = "stream_stopped"
    message = "{reason}"


class InvalidPolicyError(InvalidInputError):
    """A stream's policy says something that no stream understands."""

    code = "invalid_policy"
    message = "{reason}"


class LeaseLostError(DomainError):
    """Another worker has taken over; nothing of this page was kept."""

    code = "lease_lost"
    message = "Another worker is reading this stream now."


class StreamBusyError(DomainError):
    """The stream is being read already."""

    code = "stream_busy"
    message = "“{stream}” is being read by another worker."


class StreamNotFoundError(NotFoundError):
    """There is no such stream."""

    code = "stream_not_found"
    message = "There is no such stream."


class FloodError(DomainError):
    """So many documents of a page are refused alike that the cause is not in them."""

    code = "flood"
    message = "{count} of {total} documents were refused alike, so we stopped: {reason}"
