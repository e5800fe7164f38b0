"""AWS Signature Version 4 of one request to an S3-compatible store.

Duty: the header `Authorization` for a request with a known body. Pure: time is an argument. Own code, because
what signs asynchronously either brings all of AWS's service models along (aiobotocore) or takes the host's
clock, which on this box may not be set; held to AWS's published example, and accepted by a server of
another make.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import quote

_ALGORITHM = "AWS4-HMAC-SHA256"
_UNRESERVED = "-._~"


@dataclass(frozen=True, slots=True)
class SigningKey:
    """Who signs, for which region. `secret` is never shown."""

    access_key_id: str
    secret: str
    region: str

    def __repr__(self) -> str:
        return f"SigningKey({self.access_key_id!r}, region={self.region!r})"


def canonical_path(path: str) -> str:
    """A path as S3 signs it: each octet but unreserved ones and the slash as %XX, once."""
    return quote(path, safe=_UNRESERVED + "/")


def signed_headers(
    key: SigningKey,
    method: str,
    host: str,
    path: str,
    *,
    headers: Mapping[str, str],
    body_sha256: str,
    time_s: float,
) -> dict[str, str]:
    """All headers of the request: the given ones, the three that belong to a signature, `Authorization`.

    `path` is not quoted yet; `host` as it is sent (with its port where that is not the scheme's own);
    `time_s` is UTC in s since 1970.
    """
    stamp = datetime.fromtimestamp(time_s, UTC).strftime("%Y%m%dT%H%M%SZ")
    own = {"host": host, "x-amz-content-sha256": body_sha256, "x-amz-date": stamp}
    every = {**{name.lower(): " ".join(value.split()) for name, value in headers.items()}, **own}
    names = ";".join(sorted(every))
    canonical = "\n".join(
        [
            method,
            canonical_path(path),
            "",  # no query
            *(f"{name}:{every[name]}" for name in sorted(every)),
            "",
            names,
            body_sha256,
        ]
    )
    scope = f"{stamp[:8]}/{key.region}/s3/aws4_request"
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    to_sign = "\n".join([_ALGORITHM, stamp, scope, digest])
    derived = f"AWS4{key.secret}".encode()
    for word in (stamp[:8], key.region, "s3", "aws4_request"):
        derived = hmac.new(derived, word.encode(), hashlib.sha256).digest()
    signature = hmac.new(derived, to_sign.encode(), hashlib.sha256).hexdigest()
    credential = f"{key.access_key_id}/{scope}"
    authorization = f"{_ALGORITHM} Credential={credential}, SignedHeaders={names}, Signature={signature}"
    return {**headers, **own, "authorization": authorization}
