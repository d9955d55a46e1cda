"""How to reach the broker: address and credentials."""

import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import aiokafka.helpers

Mechanism = Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """A broker's address and how to sign in to it. The password never appears in a repr.

    `bootstrap` is ``host:port[,host:port…]``. With `user` the client signs in by SASL `mechanism`; with `tls` the link
    is encrypted and the broker's certificate is checked against `ca` (a PEM file), else against the system's roots.
    `embedded` tells the in-memory broker of a run, which has no idempotent producer and no static members.
    """

    bootstrap: str
    user: str = ""
    password: str = field(default="", repr=False)
    mechanism: Mechanism = "PLAIN"
    tls: bool = False
    ca: Path | None = None
    embedded: bool = False

    @property
    def protocol(self) -> str:
        """Kafka's name for the combination, as in ``security.protocol``."""
        return ("SASL_" if self.user else "") + ("SSL" if self.tls else "PLAINTEXT")

    def ssl_context(self) -> ssl.SSLContext | None:
        """The TLS context, or None on a plain link."""
        if not self.tls:
            return None
        context: ssl.SSLContext = aiokafka.helpers.create_ssl_context(cafile=str(self.ca) if self.ca else None)
        return context

    def aiokafka(self) -> dict[str, Any]:
        """Keyword arguments for every aiokafka client."""
        sasl = {
            "sasl_mechanism": self.mechanism,
            "sasl_plain_username": self.user,
            "sasl_plain_password": self.password,
        }
        return {
            "bootstrap_servers": self.bootstrap,
            "security_protocol": self.protocol,
            "ssl_context": self.ssl_context(),
            **(sasl if self.user else {}),
        }
