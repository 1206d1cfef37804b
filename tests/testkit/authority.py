"""A little certificate authority of a test's own, made with openssl; what it signs is valid for a day."""

import ssl
import subprocess
from pathlib import Path

_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


class Authority:
    """Signs certificates for servers on loopback. Everything it makes is in ``folder``."""

    def __init__(self, folder: Path, name: str = "test authority") -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.ca_file = folder / "ca.crt"
        self._openssl("req", "-x509", *_KEY, "-days", "1", "-subj", f"/CN={name}",
                      "-keyout", "ca.key", "-out", "ca.crt")  # fmt: skip

    def server(self, *names: str) -> ssl.SSLContext:
        """A server's context, with a certificate for these names (``IP:127.0.0.1``, ``DNS:localhost`` when none)."""
        wanted = ",".join(names or ("IP:127.0.0.1", "DNS:localhost"))
        (self.folder / "server.ext").write_text(f"subjectAltName={wanted}\n", encoding="ascii")
        self._openssl("req", *_KEY, "-subj", "/CN=server", "-keyout", "server.key", "-out", "server.csr")
        self._openssl("x509", "-req", "-in", "server.csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial",
                      "-days", "1", "-extfile", "server.ext", "-out", "server.crt")  # fmt: skip
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.folder / "server.crt", self.folder / "server.key")
        return context

    def client(self) -> ssl.SSLContext:
        """A client's context that trusts this authority and no other."""
        return ssl.create_default_context(cafile=str(self.ca_file))

    def _openssl(self, *words: str) -> None:
        subprocess.run(["openssl", *words], cwd=self.folder, check=True, capture_output=True)
