"""The broker's address and the credentials for it."""

import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

Mechanism = Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """A broker's address and the credentials for it. The password never appears in a repr.

    `bootstrap` is ``host:port[,host:port…]``. If `user` is set, the client signs in with the SASL `mechanism`. If `tls`
    is set, the connection is encrypted. The broker's certificate is then checked against `ca`, a PEM file, or against
    the system's roots if `ca` is None. `embedded` marks the in-memory broker of a run, which has neither idempotent
    producers nor static members.
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
        """The value of Kafka's ``security.protocol``."""
        return ("SASL_" if self.user else "") + ("SSL" if self.tls else "PLAINTEXT")

    def ssl_context(self) -> ssl.SSLContext | None:
        """Return the TLS context, or None for an unencrypted connection."""
        if not self.tls:
            return None
        import aiokafka.helpers  # a client library that reading the settings does not need

        context: ssl.SSLContext = aiokafka.helpers.create_ssl_context(cafile=str(self.ca) if self.ca else None)
        return context

    def aiokafka(self) -> dict[str, Any]:
        """Return the keyword arguments that every aiokafka client takes."""
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
