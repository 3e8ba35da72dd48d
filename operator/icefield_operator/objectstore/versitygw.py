"""The admin API of versitygw: its users.

Source: versity/versitygw v1.8.0, s3api/admin-router.go and cmd/internal/gwcli/admin.go. Each call is a PATCH with an
XML body, signed as S3 requests are, on the port of the S3 API.
"""

from __future__ import annotations

import hashlib
from urllib.parse import quote
from xml.etree import ElementTree

import httpx
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as SigningCredentials

from .config import Credentials, ObjectStoreConfig, ObjectStoreError

TIMEOUT = httpx.Timeout(15, connect=5)


class VersityAdmin:
    """Keeps users of one versitygw."""

    def __init__(self, config: ObjectStoreConfig) -> None:
        """Sign calls with the platform's credentials, which are versitygw's root user."""
        self._endpoint = config.endpoint.rstrip("/")
        self._region = config.region
        self._signing = SigningCredentials(config.credentials.access_key_id, config.credentials.secret_access_key)
        self._http = httpx.AsyncClient(timeout=TIMEOUT, trust_env=False)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def users(self) -> dict[str, str]:
        """Return every user's access key id with its secret."""
        # Not foreign input: the answer of the platform's own object store.
        root = ElementTree.fromstring(await self._patch("/list-users"))  # noqa: S314
        return {
            account.findtext("Access", ""): account.findtext("Secret", "")
            for account in root.iter("Accounts")
            if account.findtext("Access")
        }

    async def create_user(self, user: Credentials) -> None:
        """Make a user that owns nothing and may open nothing but what the bucket's policy gives it."""
        account = ElementTree.Element("Account")
        ElementTree.SubElement(account, "Access").text = user.access_key_id
        ElementTree.SubElement(account, "Secret").text = user.secret_access_key
        # "user" may not even create buckets; "userplus" may.
        ElementTree.SubElement(account, "Role").text = "user"
        await self._patch("/create-user", ElementTree.tostring(account))

    async def set_secret(self, user: Credentials) -> None:
        """Give an existing user this secret."""
        properties = ElementTree.Element("MutableProps")
        ElementTree.SubElement(properties, "Secret").text = user.secret_access_key
        await self._patch(f"/update-user?access={quote(user.access_key_id)}", ElementTree.tostring(properties))

    async def delete_user(self, access_key_id: str) -> None:
        """Remove a user; one that is not there is as good."""
        await self._patch(f"/delete-user?access={quote(access_key_id)}")

    async def _patch(self, path: str, body: bytes = b"") -> bytes:
        url = self._endpoint + path
        request = AWSRequest(
            "PATCH", url, data=body, headers={"X-Amz-Content-SHA256": hashlib.sha256(body).hexdigest()}
        )
        S3SigV4Auth(self._signing, "s3", self._region).add_auth(request)
        try:
            answer = await self._http.patch(url, content=body, headers=dict(request.headers))
        except httpx.HTTPError as error:
            raise ObjectStoreError(f"the object store is not reachable: {error!r}") from error
        if answer.is_error:
            call = path.partition("?")[0]
            raise ObjectStoreError(f"the object store refused {call}: {answer.status_code} {_code(answer.content)}")
        return answer.content


def _code(body: bytes) -> str:
    try:
        return ElementTree.fromstring(body).findtext("Code", "")  # noqa: S314
    except ElementTree.ParseError:
        return body[:200].decode(errors="replace")
