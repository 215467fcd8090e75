"""The stand-in's state and its rules: no HTTP here.

Every change is an entry that is first written to the journal and then applied; a restart
applies the same entries again. All public methods may be called from any thread.
"""

import heapq
import itertools
import secrets
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from typing import Any

from sandbox.whatsapp.errors import TapError, bad_value, window_closed
from sandbox.whatsapp.journal import Journal
from sandbox.whatsapp.journeys import Journey, usual_journey
from sandbox.whatsapp.models import (
    Button,
    Chat,
    Inbound,
    Message,
    Status,
    Update,
    draft_as_json,
    draft_from_json,
    profile_name,
)
from sandbox.whatsapp.sending import TEXT_LENGTH, read_draft
from sandbox.whatsapp.settings import WINDOW_SECONDS
from sandbox.whatsapp.templates import Catalogue


class Cloud:
    """Messages, chats, and what the webhook has still to be told."""

    def __init__(
        self,
        *,
        journal: Journal,
        catalogue: Catalogue,
        status_delay: float,
        journey: Journey = usual_journey,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Take up where the journal ends.

        Raises:
            JournalError: the journal cannot be read.
        """
        self.catalogue = catalogue
        self._journal = journal
        self._status_delay = status_delay
        self._journey = journey
        self._clock = clock
        self._changed = threading.Condition()
        self._retired = False
        self._closed = False
        self._ticket = itertools.count()
        self._forget()
        for entry in journal.read():
            self._apply(entry)

    def send(self, request: dict[str, Any]) -> Message:
        """Accept a message. Repeating a request sends it again: there is no idempotency key.

        Raises:
            GraphError: the request is refused and nothing was sent.
        """
        draft = read_draft(request, self.catalogue)
        with self._changed:
            now = self._clock()
            if not draft.is_template and not self._window_is_open(draft.phone, now):
                raise window_closed()
            message = Message(len(self._messages), new_wamid("OUT"), now, draft)
            plan = self._journey(message, self._status_delay)
            self._record(
                {
                    "kind": "message",
                    "wamid": message.wamid,
                    "at": now,
                    "draft": draft_as_json(draft),
                    "plan": [asdict(step) for step in plan],
                }
            )
            return self._messages[-1]

    def mark_read(self, wamid: str) -> Inbound:
        """Show a person that the business read the message.

        Raises:
            GraphError: no such inbound message.
        """
        with self._changed:
            inbound = self._inbound.get(wamid)
            if inbound is None:
                raise bad_value("Parameter 'message_id' is not an inbound message.")
            if inbound.seen_at is None:
                self._record({"kind": "seen", "wamid": wamid, "at": self._clock()})
            return inbound

    def receive_text(self, *, phone: str, text: str) -> Inbound:
        """Let a person write to the business.

        Raises:
            TapError: nothing was written, or too much.
        """
        body = text.strip()
        if not 0 < len(body) <= TEXT_LENGTH:
            raise TapError(f"A message has 1 to {TEXT_LENGTH} characters.")
        return self._receive(phone=phone, kind="text", text=body, content={"body": body})

    def receive_tap(self, *, phone: str, wamid: str, button: int) -> Inbound:
        """Let a person tap a button of a message.

        Raises:
            TapError: that phone has no such message, or it has no such button.
        """
        with self._changed:
            message = self._by_wamid.get(wamid)
            if message is None or message.draft.phone != phone:
                raise TapError("This chat has no such message.")
            buttons = message.draft.content.buttons
            if not 0 <= button < len(buttons) or not buttons[button].answers:
                raise TapError("The message has no such button.")
            kind, content = _tap_content(buttons[button])
            return self._receive(
                phone=phone,
                kind=kind,
                text=buttons[button].text,
                content=content,
                reply_to=wamid,
            )

    def ledger(self, *, since: int = 0) -> list[dict[str, Any]]:
        """Return what was really accepted, oldest first, without the first `since` messages."""
        with self._changed:
            self._advance()
            return [self._ledger_line(message) for message in self._messages[since:]]

    def chats(self, *, search: str = "") -> list[Chat]:
        """Return the chats in which a phone, a name or a text matches, newest first."""
        wanted = search.strip().casefold()
        with self._changed:
            self._advance()
            found = [self._chat(phone) for phone in self._chats]
        matching = [chat for chat in found if not wanted or _matches(chat, wanted)]
        return sorted(matching, key=lambda chat: item_time(chat.items[-1]), reverse=True)

    def chat(self, phone: str) -> Chat:
        """Return one phone's chat; a phone that never wrote has an empty one."""
        with self._changed:
            self._advance()
            return self._chat(phone)

    def counts(self) -> dict[str, int]:
        """Return how much is remembered and how much the webhook has still to be told."""
        with self._changed:
            self._advance()
            return {
                "messages": len(self._messages),
                "inbound": len(self._inbound),
                "pending_updates": len(self._untold),
            }

    def reset(self) -> None:
        """Forget every message, chat and pending update."""
        with self._changed:
            self._journal.clear()
            self._forget()
            self._changed.notify_all()

    def next_updates(self, *, limit: int) -> list[Update]:
        """Wait until the webhook has to be told something; an empty list means: retired."""
        with self._changed:
            while not self._retired:
                self._advance()
                updates = self._take_ready(limit)
                if updates:
                    return updates
                self._changed.wait(self._seconds_to_next())
            return []

    def told(self, updates: Sequence[Update]) -> None:
        """Note that the webhook has answered 200 for these updates."""
        with self._changed:
            known = [update.key for update in updates if update.key in self._untold]
            if known and not self._closed:
                self._record({"kind": "told", "keys": known})

    def tell_later(self, updates: Sequence[Update], *, pause_after: Callable[[int], float]) -> None:
        """Put updates back that the webhook did not take; the pause depends on the attempts."""
        with self._changed:
            now = self._clock()
            for update in updates:
                again = replace(update, attempts=update.attempts + 1)
                due = now + pause_after(again.attempts)
                heapq.heappush(self._waiting, (due, next(self._ticket), again))

    def retire(self) -> None:
        """Hand out no more updates."""
        with self._changed:
            self._retired = True
            self._changed.notify_all()

    def close(self) -> None:
        """Write no more."""
        with self._changed:
            self._retired = self._closed = True
            self._journal.close()

    def _forget(self) -> None:
        self._messages: list[Message] = []
        self._by_wamid: dict[str, Message] = {}
        self._inbound: dict[str, Inbound] = {}
        self._chats: dict[str, list[Message | Inbound]] = {}
        self._window_opened_at: dict[str, float] = {}
        self._planned: list[tuple[float, int, str, Status]] = []
        self._untold: dict[str, Update] = {}
        self._ready: deque[Update] = deque()
        self._waiting: list[tuple[float, int, Update]] = []

    def _record(self, *entries: dict[str, Any]) -> None:
        self._journal.append(*entries)
        for entry in entries:
            self._apply(entry)
        self._changed.notify_all()

    def _apply(self, entry: dict[str, Any]) -> None:
        match entry["kind"]:
            case "message":
                self._apply_message(entry)
            case "status":
                message = self._by_wamid[entry["wamid"]]
                status = _status_from_json(entry["status"])
                message.statuses.append(status)
                self._add_update(Update(status_key(message, status), message, status))
            case "inbound":
                inbound = Inbound(**entry["inbound"])
                self._inbound[inbound.wamid] = inbound
                self._chats.setdefault(inbound.phone, []).append(inbound)
                self._window_opened_at[inbound.phone] = inbound.at
                self._add_update(Update(inbound.wamid, inbound))
            case "seen":
                self._inbound[entry["wamid"]].seen_at = entry["at"]
            case "told":
                for key in entry["keys"]:
                    self._untold.pop(key, None)

    def _apply_message(self, entry: dict[str, Any]) -> None:
        draft = draft_from_json(entry["draft"])
        message = Message(len(self._messages), entry["wamid"], entry["at"], draft)
        self._messages.append(message)
        self._by_wamid[message.wamid] = message
        self._chats.setdefault(draft.phone, []).append(message)
        for stored in entry["plan"]:
            step = _status_from_json(stored)
            heapq.heappush(self._planned, (step.at, next(self._ticket), message.wamid, step))

    def _add_update(self, update: Update) -> None:
        self._untold[update.key] = update
        self._ready.append(update)

    def _advance(self) -> None:
        """Let happen what is due by now."""
        now, entries = self._clock(), []
        while not self._closed and self._planned and self._planned[0][0] <= now:
            _, _, wamid, step = heapq.heappop(self._planned)
            # After a restart the plan still holds the steps that had already happened.
            if step not in self._by_wamid[wamid].statuses:
                entries.append({"kind": "status", "wamid": wamid, "status": asdict(step)})
        if entries:
            self._record(*entries)

    def _take_ready(self, limit: int) -> list[Update]:
        now = self._clock()
        while self._waiting and self._waiting[0][0] <= now:
            self._ready.append(heapq.heappop(self._waiting)[2])
        taken: list[Update] = []
        while self._ready and len(taken) < limit:
            update = self._ready.popleft()
            if update.key in self._untold:
                taken.append(update)
        return taken

    def _seconds_to_next(self) -> float | None:
        times = [queue[0][0] for queue in (self._planned, self._waiting) if queue]
        return max(0.0, min(times) - self._clock()) if times else None

    def _window_is_open(self, phone: str, now: float) -> bool:
        opened_at = self._window_opened_at.get(phone)
        return opened_at is not None and now < opened_at + WINDOW_SECONDS

    def _receive(
        self, *, phone: str, kind: str, text: str, content: dict[str, Any], reply_to: str = ""
    ) -> Inbound:
        with self._changed:
            inbound = Inbound(new_wamid("IN"), phone, self._clock(), kind, text, content, reply_to)
            self._record({"kind": "inbound", "inbound": asdict(inbound)})
            return self._inbound[inbound.wamid]

    def _chat(self, phone: str) -> Chat:
        opened_at = self._window_opened_at.get(phone)
        is_open = self._window_is_open(phone, self._clock())
        closes_at = opened_at + WINDOW_SECONDS if opened_at is not None and is_open else None
        return Chat(phone, tuple(self._chats.get(phone, ())), closes_at)

    def _ledger_line(self, message: Message) -> dict[str, Any]:
        draft = message.draft
        return {
            "index": message.index,
            "wamid": message.wamid,
            "to": draft.to,
            "phone": draft.phone,
            "type": draft.kind,
            "template": draft.template or None,
            "language": draft.language or None,
            "category": draft.category,
            "text": draft.content.body,
            "header": draft.content.header or None,
            "footer": draft.content.footer or None,
            "buttons": [asdict(button) for button in draft.content.buttons],
            "reply_to": draft.reply_to or None,
            "biz_opaque_callback_data": draft.callback_data or None,
            "accepted_at": iso_time(message.accepted_at),
            "statuses": [
                {
                    "status": status.status,
                    "at": iso_time(status.at),
                    "errors": list(status.errors),
                    "told": status_key(message, status) not in self._untold,
                }
                for status in message.statuses
            ],
        }


def new_wamid(direction: str) -> str:
    """Return a message id that was never given before."""
    return f"wamid.SBX{direction}{secrets.token_hex(16).upper()}"


def status_key(message: Message, status: Status) -> str:
    """Return the key under which a status is told to the webhook."""
    return f"{message.wamid}/{status.status}"


def item_time(item: Message | Inbound) -> float:
    """Return when something appeared in a chat."""
    return item.accepted_at if isinstance(item, Message) else item.at


def iso_time(at: float) -> str:
    """Return a time in UTC, to the millisecond."""
    stamp = datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")
    return stamp.replace("+00:00", "Z")


def _status_from_json(stored: dict[str, Any]) -> Status:
    return Status(stored["status"], stored["at"], tuple(stored["errors"]))


def _tap_content(button: Button) -> tuple[str, dict[str, Any]]:
    if button.kind == "quick_reply":
        return "button", {"payload": button.value, "text": button.text}
    reply = {"id": button.value, "title": button.text}
    if button.kind == "reply":
        return "interactive", {"type": "button_reply", "button_reply": reply}
    if button.description:
        reply["description"] = button.description
    return "interactive", {"type": "list_reply", "list_reply": reply}


def _matches(chat: Chat, wanted: str) -> bool:
    digits = "".join(each for each in wanted if each.isdigit())
    if digits and digits in chat.phone:
        return True
    return wanted in profile_name(chat.phone).casefold() or any(
        wanted in (each.draft.content.body if isinstance(each, Message) else each.text).casefold()
        for each in chat.items
    )
