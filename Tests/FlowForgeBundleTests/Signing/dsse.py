"""Signs and verifies DSSE envelopes with securesystemslib, which is not ours.

    dsse.py verify ENVELOPE PUBLIC.pem       prints the statement's JSON; ends with 1 for a bad signature
    dsse.py sign PRIVATE.pem PAYLOAD OUT     an envelope over the bytes of PAYLOAD
"""

import hashlib
import json
import sys

from cryptography.hazmat.primitives import serialization
from securesystemslib.dsse import Envelope
from securesystemslib.exceptions import VerificationError
from securesystemslib.signer import CryptoSigner, SSlibKey

TYPE = "application/vnd.in-toto+json"


def verify(envelope, public):
    with open(envelope, encoding="utf-8") as file:
        read = Envelope.from_dict(json.load(file))
    with open(public, "rb") as file:
        key = serialization.load_pem_public_key(file.read())
    spki = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    trusted = SSlibKey.from_crypto(key, keyid=hashlib.sha256(spki).hexdigest())
    try:
        read.verify([trusted], 1)
    except VerificationError as error:
        sys.exit(str(error))
    assert read.payload_type == TYPE
    sys.stdout.buffer.write(read.payload)


def sign(private, payload, out):
    with open(private, "rb") as file:
        key = serialization.load_pem_private_key(file.read(), None)
    with open(payload, "rb") as file:
        envelope = Envelope(file.read(), TYPE, {})
    envelope.sign(CryptoSigner(key))
    with open(out, "w", encoding="utf-8") as file:
        json.dump(envelope.to_dict(), file, indent=1)


if __name__ == "__main__":
    {"verify": verify, "sign": sign}[sys.argv[1]](*sys.argv[2:])
