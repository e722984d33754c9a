"""Certificates made by openssl, as `docs/connect-a-device.md` makes them."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
ENDED = -1
"""Days."""


def openssl(*words: str | Path) -> str:
    """What it prints."""
    done = subprocess.run(["openssl", *map(str, words)], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@dataclass(frozen=True)
class Issued:
    """A certificate and its key."""

    certificate: Path
    key: Path


class Authority:
    """Signs certificates."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder, self.name = folder, name
        self.certificate, self.key = folder / f"{name}.crt", folder / f"{name}.key"
        openssl(
            "req", "-x509", *KEY, "-keyout", self.key, "-out", self.certificate, "-days", "3650",
            "-subj", f"/CN={name}", "-addext", "keyUsage=critical,keyCertSign,cRLSign",
        )  # fmt: skip

    def issue(self, name: str, days: int = 365, other: str = "") -> Issued:
        """A certificate of this host name, or of `other` as openssl writes a subjectAltName."""
        made = Issued(self.folder / f"{self.name}-{name}.crt", self.folder / f"{self.name}-{name}.key")
        request, extensions = self.folder / f"{name}.csr", self.folder / f"{name}.ext"
        extensions.write_text(f"subjectAltName={other or f'DNS:{name}'}\n")
        openssl("req", *KEY, "-keyout", made.key, "-out", request, "-subj", f"/CN={name}")
        openssl(
            "x509", "-req", "-in", request, "-CA", self.certificate, "-CAkey", self.key, "-CAcreateserial",
            "-days", str(days), "-extfile", extensions, "-out", made.certificate,
        )  # fmt: skip
        made.key.chmod(0o600)
        return made

    def revoke(self, *issued: Issued) -> Path:
        """The list of certificates that count no more."""
        index, settings, path = self.folder / "index", self.folder / "ca.cnf", self.folder / f"{self.name}.crl"
        index.touch()
        settings.write_text(
            f"[ca]\ndefault_ca=d\n[d]\ndatabase={index}\ndefault_md=sha256\ndefault_crl_days=30\n"
            f"certificate={self.certificate}\nprivate_key={self.key}\n"
        )
        for each in issued:
            openssl("ca", "-config", settings, "-revoke", each.certificate)
        openssl("ca", "-config", settings, "-gencrl", "-out", path)
        return path

    def files(self, issued: Issued) -> dict[str, str]:
        """The settings of an end that has this certificate, and wants one of ours of the other."""
        return {"certificate": str(issued.certificate), "key": str(issued.key), "authorities": str(self.certificate)}
