"""A stand-in for an object store's STS, which checks each AssumeRole as AWS specifies it.

    async with StandInSts({"workspace-key": "its secret"}).running() as sts:
        Sessions(sts.url)

(AWS STS API reference, AssumeRole; AWS Signature Version 4.) A request that is not signed by one of the keys, or asks
for what STS does not allow, is refused. Whether a store's files open with such keys is not its business.
"""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Self
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape

from aiohttp import web
from aiohttp.test_utils import TestServer
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

_AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=(?P<key>[^/]+)/\d{8}/(?P<region>[^/]+)/sts/aws4_request, "
    r"SignedHeaders=(?P<headers>[^,]+), Signature=(?P<signature>[0-9a-f]{64})"
)
_SESSION_NAME = re.compile(r"[\w+=,.@-]{2,64}")
MAX_POLICY = 2048


@dataclass(frozen=True)
class AssumedRole:
    """A session that was asked for.

    Attributes:
        access_key_id: who asked.
        role: ARN of the role; None where it was left out.
        policy: the inline policy.
        seconds: how long it lasts.
    """

    access_key_id: str
    role: str | None
    policy: dict[str, Any]
    seconds: int


@dataclass
class StandInSts:
    """An STS on the loopback device.

    Attributes:
        keys: the secret of each access key id that may call it.
        sessions: what was asked for and given, in order.
        is_out_of_order: every call fails.
    """

    keys: Mapping[str, str]
    sessions: list[AssumedRole] = field(default_factory=list)
    is_out_of_order: bool = False
    url: str = ""

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Self]:
        """Serve for the duration of the context."""
        application = web.Application()
        application.router.add_post("/", self._answer)
        async with TestServer(application) as server:
            self.url = str(server.make_url("")).rstrip("/")
            yield self

    async def _answer(self, request: web.Request) -> web.Response:
        if self.is_out_of_order:
            return _refusal(503, "ServiceUnavailable", "not now")
        body = await request.read()
        caller = self._caller(request, body)
        if caller is None:
            return _refusal(403, "SignatureDoesNotMatch", "the signature is not one of the keys'")
        form = dict(parse_qsl(body.decode(), keep_blank_values=True))
        if problem := _problem(form):
            return _refusal(400, "ValidationError", problem)
        seconds = int(form["DurationSeconds"])
        self.sessions.append(AssumedRole(caller, form.get("RoleArn"), json.loads(form["Policy"]), seconds))
        number, ends = len(self.sessions), datetime.now(UTC) + timedelta(seconds=seconds)
        return _response(
            "AssumeRole",
            f"<AccessKeyId>session-{number}</AccessKeyId><SecretAccessKey>secret-{number}</SecretAccessKey>"
            f"<SessionToken>token-{number}</SessionToken><Expiration>{ends:%Y-%m-%dT%H:%M:%SZ}</Expiration>",
        )

    def _caller(self, request: web.Request, body: bytes) -> str | None:
        """Return the access key id that signed a request; None where it is unknown, or the signature is another."""
        found = _AUTHORIZATION.fullmatch(request.headers.get("Authorization", ""))
        if found is None or found["key"] not in self.keys:
            return None
        signed = {name: request.headers[name] for name in found["headers"].split(";") if name in request.headers}
        again = AWSRequest("POST", f"{self.url}/", data=body, headers=signed)
        again.context["timestamp"] = request.headers["X-Amz-Date"]
        auth = SigV4Auth(Credentials(found["key"], self.keys[found["key"]]), "sts", found["region"])
        wanted = auth.signature(auth.string_to_sign(again, auth.canonical_request(again)), again)
        return found["key"] if wanted == found["signature"] else None


def _problem(form: Mapping[str, str]) -> str | None:
    """Return what is wrong with a request, by the limits of the API reference."""
    if (form.get("Action"), form.get("Version")) != ("AssumeRole", "2011-06-15"):
        return "the only call is AssumeRole, of version 2011-06-15"
    if not _SESSION_NAME.fullmatch(form.get("RoleSessionName", "")):
        return "RoleSessionName"
    if not 900 <= int(form.get("DurationSeconds", "0")) <= 43200:
        return "DurationSeconds"
    policy = form.get("Policy", "")
    return None if 0 < len(policy) <= MAX_POLICY and policy.isascii() else "Policy"


def _response(call: str, credentials: str) -> web.Response:
    text = (
        f'<{call}Response xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><{call}Result>'
        f"<Credentials>{credentials}</Credentials></{call}Result></{call}Response>"
    )
    return web.Response(text=text, content_type="text/xml")


def _refusal(status: int, code: str, message: str) -> web.Response:
    text = (
        '<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type>'
        f"<Code>{code}</Code><Message>{escape(message)}</Message></Error></ErrorResponse>"
    )
    return web.Response(text=text, status=status, content_type="text/xml")
