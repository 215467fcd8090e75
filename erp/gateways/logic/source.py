from typing import Any

from requests.auth import AuthBase, HTTPBasicAuth
from requests.models import PreparedRequest

from erp.gateways.http import JsonClient
from erp.gateways.logic import assumptions
from erp.gateways.logic.records import read_record
from erp.gateways.source import Cursor, Endpoint, GatewayError, Page, Record

_TRUE = (True, 1, "1", "true", "True")
_MOST_MESSAGE = 200


class LogicSource:
    """Reads LOGIC ERP. The cursor is `{"modify_code": n}`."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._base = endpoint.base_url.rstrip("/")
        self._client = JsonClient(
            auth=_auth(endpoint), deadline_s=endpoint.deadline_s, tries=endpoint.tries
        )

    def fetch(self, entity: str, cursor: Cursor) -> Page:
        """The documents whose modify code lies behind the cursor's.

        Raises:
            GatewayError: the page could not be had whole, or the counter misbehaves.
        """
        sent = int(cursor.get("modify_code", 0))
        answer = self._client.post(
            f"{self._base}/{assumptions.METHODS[entity]}",
            {
                "GlobalModifyCode": sent,
                "Doc_Codes": "",
                "DateFrom": None,
                "DateTo": None,
                "Branch_Codes_From": "",
            },
        )
        rows = _rows(answer)
        if not rows:
            return Page((), cursor, is_last=True)
        reached = _modify_code(answer.get("LastGlobalModifyCode"))
        if reached <= sent:
            what = "fell" if reached < sent else "stands still"
            raise GatewayError(
                GatewayError.Kind.CURSOR,
                f"LastGlobalModifyCode {what}: we sent {sent} and got {reached}. "
                "Was the ERP's database restored, or a new year opened?",
            )
        records = [self.read(entity, row) for row in rows]
        return Page(records, {"modify_code": reached}, is_last=False)

    def read(self, entity: str, payload: dict[str, Any]) -> Record:
        """The regular form of a stored document."""
        return read_record(entity, payload)

    def close(self) -> None:
        """Give connections back."""
        self._client.close()


def _rows(answer: Any) -> list[dict[str, Any]]:
    """The records of an envelope that says it succeeded and has its list; nothing else will do."""
    kind = GatewayError.Kind.BAD_ANSWER
    if not isinstance(answer, dict):
        raise GatewayError(kind, "The answer is not LOGIC's envelope.")
    if answer.get("Status") not in _TRUE:
        message = str(answer.get("Message") or "no reason given")[:_MOST_MESSAGE]
        raise GatewayError(kind, f"LOGIC says it failed: {message}")
    rows = answer.get("GetData")
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise GatewayError(kind, "The answer has no list of records (GetData).")
    return rows


def _modify_code(value: Any) -> int:
    try:
        return int(value)
    except (TypeError, ValueError) as error:
        raise GatewayError(
            GatewayError.Kind.BAD_ANSWER, "LastGlobalModifyCode is not a number."
        ) from error


class _Bearer(AuthBase):
    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request


def _auth(endpoint: Endpoint) -> AuthBase:
    if endpoint.auth == "bearer":
        return _Bearer(endpoint.credentials)
    user, _, password = endpoint.credentials.partition(":")
    return HTTPBasicAuth(user.encode(), password.encode())
