from dataclasses import dataclass
from datetime import datetime

from loyalty_site.outbox.events import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageStateChanged(Event, name="messaging.message_state_changed"):
    """A message reached another state; `occurred_at` is WhatsApp's time where it told one.

    `state` is one of Message.State; `sending` is not announced.
    """

    message_id: int
    template: str
    state: str
    occurred_at: datetime

    @property
    def ordering_key(self) -> str:
        return f"message:{self.message_id}"
