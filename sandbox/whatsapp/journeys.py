"""What happens to a message once it is accepted, and when.

A journey is a function; a script for certain numbers is another one of the same type.
"""

from collections.abc import Callable

from sandbox.whatsapp.models import Message, Status

Journey = Callable[[Message, float], tuple[Status, ...]]


def usual_journey(message: Message, delay: float) -> tuple[Status, ...]:
    """Sent, delivered, read, each `delay` seconds after the one before."""
    return tuple(
        Status(name, message.accepted_at + step * delay)
        for step, name in enumerate(("sent", "delivered", "read"), start=1)
    )
