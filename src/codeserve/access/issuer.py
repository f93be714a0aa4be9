"""A small identity provider for tests and the demo: an issuer of tokens with its key set over HTTP on loopback. It asks
nobody who they are, so it is never for real use."""

from __future__ import annotations

import json
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from types import TracebackType
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

KEY_BITS = 2048


class Issuer:
    """Serves from `with` to its end. `fetches` counts how often the keys were asked for; while `down` they are not
    given."""

    def __init__(self, audience: str = "codeserve") -> None:
        self.audience = audience
        self.fetches, self.down = 0, False
        self._keys: dict[str, rsa.RSAPrivateKey] = {}
        self._made = 0
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.rotate()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    @property
    def settings(self) -> dict[str, Any]:
        """The section access.oidc for this issuer."""
        return {"issuer": self.url, "audience": self.audience, "jwks_url": f"{self.url}/keys"}

    def rotate(self) -> str:
        """Sign with a new key from now on; the old ones stay in the set. The new key's id."""
        self._made += 1
        kid = f"key-{self._made}"
        self._keys[kid] = rsa.generate_private_key(public_exponent=65537, key_size=KEY_BITS)
        return kid

    def retire(self) -> None:
        """Take all keys but the newest out of the set."""
        self._keys = dict(list(self._keys.items())[-1:])

    def token(self, subject: str, tenant: str, *roles: str, seconds: float = 300, **claims: object) -> str:
        """`seconds`: how long it is valid; `claims` are added, or take the place of others; one that is None is left
        out."""
        now, (kid, key) = int(time.time()), list(self._keys.items())[-1]
        told = {
            **{"iss": self.url, "aud": self.audience, "sub": subject, "tenant": tenant, "roles": list(roles)},
            **{"iat": now, "nbf": now, "exp": now + int(seconds), **claims},
        }
        return jwt.encode({k: v for k, v in told.items() if v is not None}, key, "RS256", headers={"kid": kid})

    def key_set(self) -> bytes:
        public = {kid: RSAAlgorithm.to_jwk(key.public_key(), as_dict=True) for kid, key in self._keys.items()}
        keys = [{**jwk, "kid": kid, "use": "sig", "alg": "RS256"} for kid, jwk in public.items()]
        return json.dumps({"keys": keys}).encode()

    def __enter__(self) -> Issuer:
        self._thread = Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                issuer.fetches += 1
                found = self.path == "/keys" and not issuer.down
                body = issuer.key_set() if found else b"{}"
                self.send_response(200 if found else 503 if issuer.down else 404)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                """Requests are not written to standard error."""

        return Handler
