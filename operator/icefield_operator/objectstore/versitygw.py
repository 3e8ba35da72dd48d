"""The admin API of versitygw: its users.

Source: versity/versitygw v1.8.0, s3api/admin-router.go and cmd/internal/gwcli/admin.go. Each call is a PATCH with an
XML body, signed as S3 requests are, on the port of the S3 API.
"""

from __future__ import annotations

import hashlib
from urllib.parse import quote
from xml.etree import ElementTree

import aiohttp
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as SigningCredentials
from yarl import URL

from .config import Credentials, ObjectStoreConfig, ObjectStoreError

TIMEOUT = aiohttp.ClientTimeout(total=15, sock_connect=5)


class VersityAdmin:
    """Manages the users of one versitygw."""

    def __init__(self, config: ObjectStoreConfig) -> None:
        """Sign calls with the platform's credentials, which are versitygw's root user."""
        self._endpoint = config.endpoint.rstrip("/")
        self._region = config.region
        self._signing = SigningCredentials(config.credentials.access_key_id, config.credentials.secret_access_key)
        self._opened: aiohttp.ClientSession | None = None

    async def aclose(self) -> None:
        """Close the connections."""
        if self._opened is not None:
            await self._opened.close()

    async def users(self) -> dict[str, str]:
        """Return every user's access key id with its secret."""
        # Trusted input: the answer of the platform's own object store.
        root = ElementTree.fromstring(await self._patch("/list-users"))  # noqa: S314
        return {
            account.findtext("Access", ""): account.findtext("Secret", "")
            for account in root.iter("Accounts")
            if account.findtext("Access")
        }

    async def create_user(self, user: Credentials) -> None:
        """Create a user that owns nothing and has only the access that the bucket's policy grants."""
        account = ElementTree.Element("Account")
        ElementTree.SubElement(account, "Access").text = user.access_key_id
        ElementTree.SubElement(account, "Secret").text = user.secret_access_key
        # "user" may not even create buckets; "userplus" may.
        ElementTree.SubElement(account, "Role").text = "user"
        await self._patch("/create-user", ElementTree.tostring(account))

    async def set_secret(self, user: Credentials) -> None:
        """Set the secret of an existing user."""
        properties = ElementTree.Element("MutableProps")
        ElementTree.SubElement(properties, "Secret").text = user.secret_access_key
        await self._patch(f"/update-user?access={quote(user.access_key_id)}", ElementTree.tostring(properties))

    async def delete_user(self, access_key_id: str) -> None:
        """Delete a user; without effect when there is none."""
        await self._patch(f"/delete-user?access={quote(access_key_id)}")

    async def _patch(self, path: str, body: bytes = b"") -> bytes:
        url = self._endpoint + path
        request = AWSRequest(
            "PATCH", url, data=body, headers={"X-Amz-Content-SHA256": hashlib.sha256(body).hexdigest()}
        )
        S3SigV4Auth(self._signing, "s3", self._region).add_auth(request)
        try:
            async with self._session.patch(
                URL(url, encoded=True),
                data=body,
                headers=dict(request.headers),
                skip_auto_headers=["Content-Type"],
                allow_redirects=False,
            ) as answer:
                content = await answer.read()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise ObjectStoreError(f"the object store is not reachable: {error!r}") from error
        if answer.status >= 400:
            call = path.partition("?")[0]
            raise ObjectStoreError(f"the object store refused {call}: {answer.status} {_code(content)}")
        return content

    @property
    def _session(self) -> aiohttp.ClientSession:
        if self._opened is None:
            self._opened = aiohttp.ClientSession(timeout=TIMEOUT, trust_env=False)
        return self._opened


def _code(body: bytes) -> str:
    try:
        return ElementTree.fromstring(body).findtext("Code", "")  # noqa: S314
    except ElementTree.ParseError:
        return body[:200].decode(errors="replace")
