"""A private authority for certificates, made with the system's openssl."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from parlour.actors.network import TlsFiles

from ..support.requirements import require

CONFIG = """
[req]
distinguished_name = name
[name]
[authority]
basicConstraints = critical, CA:true
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[node]
basicConstraints = critical, CA:false
keyUsage = critical, digitalSignature
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
"""


class Authority:
    """Makes certificates for nodes, all of one authority."""

    def __init__(self, folder: Path) -> None:
        require(shutil.which("openssl"), "openssl is not installed (apt-get install openssl)")
        folder.mkdir()
        self._folder = folder
        self._config = folder / "openssl.cnf"
        self._config.write_text(CONFIG)
        self._certificate, self._key = self._make("authority", "authority")

    def files(self, name: str, address: str = "") -> TlsFiles:
        """A new certificate and its key; `address` is the one that it is made out for."""
        signed_by = ["-CA", str(self._certificate), "-CAkey", str(self._key)]
        if address:
            signed_by += ["-addext", f"subjectAltName=IP:{address},IP:127.0.0.1,DNS:localhost"]
        certificate, key = self._make(name, "node", *signed_by)
        return TlsFiles(str(certificate), str(key), str(self._certificate))

    def _make(self, name: str, extensions: str, *signed_by: str) -> tuple[Path, Path]:
        certificate, key = self._folder / f"{name}.crt", self._folder / f"{name}.key"
        command = ["openssl", "req", "-x509", "-newkey", "ec", "-nodes", "-days", "2"]
        command += ["-pkeyopt", "ec_paramgen_curve:prime256v1", "-subj", f"/CN={name}"]
        command += ["-config", str(self._config), "-extensions", extensions]
        command += ["-keyout", str(key), "-out", str(certificate), *signed_by]
        subprocess.run(command, check=True, capture_output=True, timeout=20)
        return certificate, key
