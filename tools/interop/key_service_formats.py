"""The key service's formats, written from docs/protocol.md section 9 alone, with pyca/cryptography
and the standard library."""

import base64
import gzip
import hashlib
import io
import json
import os
import pathlib
import xml.etree.ElementTree as ET
import zipfile

from cryptography.hazmat.primitives import hashes, padding
from cryptography.hazmat.primitives.asymmetric import padding as rsa_padding
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

SALT = "CryptAByte".encode("utf-16-le")
OAEP = rsa_padding.OAEP(rsa_padding.MGF1(hashes.SHA1()), hashes.SHA1(), None)
PRIVATE = ("P", "Q", "DP", "DQ", "InverseQ", "D")


def b64(data):
    return base64.b64encode(data).decode()


def unb64(text):
    return base64.b64decode(text, validate=True)


# --- texts -------------------------------------------------------------------------------------


def cipher(passphrase):
    derived = hashlib.pbkdf2_hmac("sha1", passphrase.encode(), SALT, 1000, 48)
    return Cipher(algorithms.AES256(derived[:32]), modes.CBC(derived[32:]))


def encrypt(plain, passphrase):
    padder = padding.PKCS7(128).padder()
    data = padder.update(b"\xff\xfe" + plain.encode("utf-16-le")) + padder.finalize()
    encryptor = cipher(passphrase).encryptor()
    return b64(encryptor.update(data) + encryptor.finalize())


def decrypt(sealed, passphrase):
    decryptor = cipher(passphrase).decryptor()
    data = decryptor.update(unb64(sealed)) + decryptor.finalize()
    unpadder = padding.PKCS7(128).unpadder()
    data = unpadder.update(data) + unpadder.finalize()
    if data[:2] != b"\xff\xfe":
        raise ValueError("byte order mark")
    return data[2:].decode("utf-16-le")


def text_hash(text):
    return hashlib.sha256(text.encode("utf-16-le")).hexdigest()


def pack_text(text, encoding):
    return gzip.compress(text.encode(encoding), mtime=0).decode("latin-1")


def unpack_text(packed):
    data = gzip.decompress(packed.encode("latin-1"))
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode("latin-1")


def pack_file(name, data):
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, data)
    return b64(target.getvalue())


def unpack_file(packed):
    with zipfile.ZipFile(io.BytesIO(unb64(packed))) as archive:
        name = archive.namelist()[0]
        return name, archive.read(name)


# --- keys --------------------------------------------------------------------------------------


def write_private(key):
    numbers = key.private_numbers()
    public = numbers.public_numbers
    whole = key.key_size // 8
    values = {
        "Modulus": (public.n, whole),
        "Exponent": (public.e, (public.e.bit_length() + 7) // 8),
        "P": (numbers.p, whole // 2),
        "Q": (numbers.q, whole // 2),
        "DP": (numbers.dmp1, whole // 2),
        "DQ": (numbers.dmq1, whole // 2),
        "InverseQ": (numbers.iqmp, whole // 2),
        "D": (numbers.d, whole),
    }
    elements = "".join(
        f"<{name}>{b64(number.to_bytes(length, 'big'))}</{name}>"
        for name, (number, length) in values.items()
    )
    return f"<RSAKeyValue>{elements}</RSAKeyValue>"


def read_numbers(text, names):
    root = ET.fromstring(text)
    if root.tag != "RSAKeyValue" or [child.tag for child in root] != list(names):
        raise ValueError("not such a key")
    return [int.from_bytes(unb64(child.text), "big") for child in root]


def read_public(text):
    n, e = read_numbers(text, ("Modulus", "Exponent"))
    return rsa.RSAPublicNumbers(e, n).public_key()


def read_private(text):
    n, e, p, q, dp, dq, inverse, d = read_numbers(text, ("Modulus", "Exponent", *PRIVATE))
    public = rsa.RSAPublicNumbers(e, n)
    return rsa.RSAPrivateNumbers(p, q, d, dp, dq, inverse, public).private_key()


# --- messages ----------------------------------------------------------------------------------


def seal(key, packed, block=None):
    """`block`: the bytes in a block of the sealed passphrase, all that fit when not given."""
    passphrase = b64(os.urandom(128))
    data = passphrase.encode("utf-32-le")
    block = block or key.key_size // 8 - 42
    blocks = [data[at : at + block] for at in range(0, len(data) + 1, block)]
    return {
        "encryptedmessage": encrypt(packed, passphrase),
        "encryptionkey": "".join(b64(key.encrypt(part, OAEP)[::-1]) for part in blocks),
        "messagehash": text_hash(packed),
    }


def open_sealed(key, sealed):
    size = (key.key_size // 8 + 2) // 3 * 4
    text = sealed["encryptionkey"]
    blocks = [text[at : at + size] for at in range(0, len(text), size)]
    data = b"".join(key.decrypt(unb64(block)[::-1], OAEP) for block in blocks)
    packed = decrypt(sealed["encryptedmessage"], data.decode("utf-32-le"))
    if text_hash(packed) != sealed["messagehash"]:
        raise ValueError("hash")
    return packed


# --- the exchange ------------------------------------------------------------------------------


def opens_original():
    original = json.loads(pathlib.Path("tests/vectors/keyservice.json").read_text())["rsa"]
    wrapped = original["privatekey_encrypted_with_passphrase"]
    text = decrypt(wrapped, original["passphrase"])
    key = read_private(text)
    same = write_private(key) == text and text_hash(text) == original["privatekeyhash"]
    return same and all(
        unpack_text(open_sealed(key, sealed)) == sealed["message"]
        for sealed in original["messages"]
    )


def exchange(ours, attempt, refused):
    """Opens what ours sealed; seals for ours, to a key made there and to one made here."""
    attempt("Python opens what the original sealed", opens_original)
    text, name, content = ours["text"], ours["name"], bytes.fromhex(ours["content"])
    private = read_private(ours["privatekey"])
    public = read_public(ours["publickey"])

    def opened(sealed):
        return open_sealed(private, sealed)

    attempt(
        "Python opens our text under a passphrase",
        lambda: decrypt(ours["under_passphrase"], ours["passphrase"]) == text,
    )
    attempt(
        "Python writes our private key and its hash",
        lambda: write_private(private) == ours["privatekey"]
        and text_hash(ours["privatekey"]) == ours["privatekeyhash"],
    )
    attempt(
        "Python opens our wrapped private key",
        lambda: decrypt(ours["wrapped"], ours["passphrase"]) == ours["privatekey"],
    )
    for which in ("message", "latin"):
        attempt(
            f"Python opens our {which}",
            lambda w=which: unpack_text(opened(ours[w]["sealed"])) == ours[w]["text"],
        )
    attempt(
        "Python opens our file",
        lambda: unpack_file(opened(ours["file"])) == (name, content),
    )
    refused(
        "Python refuses our message under another hash",
        lambda: opened({**ours["message"]["sealed"], "messagehash": "0" * 64}),
    )
    own = rsa.generate_private_key(65537, 3072)
    xml = write_private(own)
    texts = [
        ("UTF-8, to our key", public, "utf-8", text, None),
        ("UTF-8, to its own key", own.public_key(), "utf-8", text, None),
        ("Latin-1 and blocks of the original", own.public_key(), "latin-1", "\u00e9t\u00e9", 86),
    ]
    return {
        "privatekey": encrypt(xml, ours["passphrase"]),
        "privatekeyhash": text_hash(xml),
        "under_passphrase": encrypt(text, ours["passphrase"]),
        "texts": [
            {
                "case": f"text of Python opens: {case}",
                "text": plain,
                "sealed": seal(key, pack_text(plain, encoding), block),
                "is_ours": key is public,
            }
            for case, key, encoding, plain, block in texts
        ],
        "file": seal(own.public_key(), pack_file(name, content)),
    }
