"""The other side of the exchange: programs that we did not write open what Waxwing seals, and seal
what Waxwing opens. Every case is printed; the last line counts them.

python-cwt with pyhpke: COSE_Encrypt with an HPKE-4-KE recipient, COSE_Sign1, COSE_Sign.
pyca/cryptography: HPKE of both suites, and the whole envelope of the post-quantum one.
Tink: attachments. http-message-signatures: requests. argon2-cffi: the vault's slot.
key_service_formats.py: the key service's formats.
"""

import base64
import datetime
import hashlib
import json
import os
import pathlib
import subprocess
import sys
import types

import argon2.low_level
import cbor2
import http_message_signatures as hms
import key_service_formats
from cryptography.hazmat.primitives import hashes, hpke
from cryptography.hazmat.primitives.asymmetric import ed25519, mlkem, x25519
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF, HKDFExpand
from cwt import COSE, COSEKey, Recipient
from http_message_signatures import algorithms
from pyhpke import AEADId, CipherSuite, KDFId, KEMId, KEMKey
from tink import cleartext_keyset_handle, streaming_aead
from tink.proto import aes_gcm_hkdf_streaming_pb2, common_pb2, tink_pb2

ED25519 = -19
A256GCM = 3
COMMIT_INFO = b"waxwing/cek-commit/v1"

passed, failed = 0, 0


def report(case, ok):
    global passed, failed
    passed, failed = passed + bool(ok), failed + (not ok)
    print(f"{'ok  ' if ok else 'FAIL'} {case}", flush=True)


def attempt(case, function):
    """A case passes when the function returns a true value and raises nothing."""
    try:
        report(case, function())
    except Exception as error:  # noqa: BLE001: any failure of theirs or ours is a failed case
        report(f"{case}: {type(error).__name__}: {error}", False)


def refused(case, function):
    """A case passes when the function raises: what was altered must not open."""
    try:
        function()
    except Exception:  # noqa: BLE001
        report(case, True)
    else:
        report(case, False)


def det(value):
    return cbor2.dumps(value, canonical=True)


def unhex(table, name):
    return bytes.fromhex(table[name])


def commitment(cek):
    return HKDFExpand(algorithm=hashes.SHA256(), length=32, info=COMMIT_INFO).derive(cek)


def padme(length):
    if length < 2:
        return length
    exponent = length.bit_length() - 1
    dropped = max(0, exponent - exponent.bit_length())
    mask = (1 << dropped) - 1
    return (length + mask) & ~mask


def pad(plain):
    target = max(256, padme(len(plain) + 1))
    return plain + b"\x80" + bytes(target - len(plain) - 1)


def unpad(padded):
    plain = padded.rstrip(b"\x00")
    if plain[-1:] != b"\x80" or pad(plain[:-1]) != padded:
        raise ValueError("padding")
    return plain[:-1]


def recipient_info(envelope):
    protected = det({1: envelope["alg"], 4: unhex(envelope, "kid")})
    return det(["HPKE Recipient", A256GCM, protected, unhex(envelope, "extra")])


def cose_parts(envelope):
    tag = cbor2.loads(unhex(envelope, "cose_encrypt"))
    assert tag.tag == 96
    protected, unprotected, ciphertext, [entry] = tag.value
    return protected, unprotected, ciphertext, entry


# --- keys of the other libraries ---------------------------------------------------------------


def ed25519_public(raw):
    return ed25519.Ed25519PublicKey.from_public_bytes(raw)


def cwt_public(raw):
    return COSEKey.new({1: 1, 3: ED25519, -1: 6, -2: raw, 4: [2]})


def cwt_private(seed):
    public = ed25519.Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()
    return COSEKey.new({1: 1, 3: ED25519, -1: 6, -2: public, -4: seed, 4: [1]})


def cwt_hpke_private(envelope):
    return COSEKey.new(
        {
            1: 1,
            2: unhex(envelope, "kid"),
            3: envelope["alg"],
            -1: 4,
            -2: unhex(envelope, "public"),
            -4: unhex(envelope, "secret"),
        }
    )


def cwt_hpke_public(envelope):
    return COSEKey.new(
        {1: 1, 2: unhex(envelope, "kid"), 3: envelope["alg"], -1: 4, -2: unhex(envelope, "public")}
    )


def pyca_suite(envelope):
    if envelope["suite"] == 1:
        return hpke.Suite(hpke.KEM.X25519, hpke.KDF.HKDF_SHA256, hpke.AEAD.CHACHA20_POLY1305)
    return hpke.Suite(hpke.KEM.MLKEM768_X25519, hpke.KDF.SHAKE256, hpke.AEAD.AES_256_GCM)


def pyca_private(envelope):
    secret = unhex(envelope, "secret")
    if envelope["suite"] == 1:
        return x25519.X25519PrivateKey.from_private_bytes(secret)
    # X-Wing, draft-connolly-cfrg-xwing-kem, expandDecapsulationKey
    expanded = hashlib.shake_256(secret).digest(96)
    return hpke.MLKEM768X25519PrivateKey(
        mlkem.MLKEM768PrivateKey.from_seed_bytes(expanded[:64]),
        x25519.X25519PrivateKey.from_private_bytes(expanded[64:]),
    )


def pyca_public(envelope):
    public = unhex(envelope, "public")
    if envelope["suite"] == 1:
        return x25519.X25519PublicKey.from_public_bytes(public)
    return hpke.MLKEM768X25519PublicKey(
        mlkem.MLKEM768PublicKey.from_public_bytes(public[:1184]),
        x25519.X25519PublicKey.from_public_bytes(public[1184:]),
    )


# --- envelopes ---------------------------------------------------------------------------------


def open_with_cwt(envelope, header=None, extra=None):
    padded = COSE.new().decode(
        unhex(envelope, "cose_encrypt"),
        cwt_hpke_private(envelope),
        external_aad=header or unhex(envelope, "header"),
        extra_info=extra or unhex(envelope, "extra"),
    )
    return COSE.new().decode(
        unpad(padded),
        cwt_public(unhex(envelope, "sender_public")),
        external_aad=unhex(envelope, "message_aad"),
    )


def seal_with_cwt(envelope):
    signed = COSE.new().encode_and_sign(
        unhex(envelope, "payload"),
        cwt_private(unhex(envelope, "sender_seed")),
        protected={1: ED25519},
        external_aad=unhex(envelope, "message_aad"),
    )
    cek = os.urandom(32)
    recipient = Recipient.new(
        protected={1: envelope["alg"], 4: unhex(envelope, "kid")},
        recipient_key=cwt_hpke_public(envelope),
        extra_info=unhex(envelope, "extra"),
    )
    return COSE.new().encode_and_encrypt(
        pad(signed),
        COSEKey.from_symmetric_key(cek, alg="A256GCM"),
        protected={1: A256GCM, "cc": commitment(cek)},
        unprotected={5: os.urandom(12)},
        recipients=[recipient],
        external_aad=unhex(envelope, "header"),
    )


def unwrap_with_pyhpke(envelope):
    protected, _, _, entry = cose_parts(envelope)
    suite = CipherSuite.new(
        KEMId.DHKEM_X25519_HKDF_SHA256, KDFId.HKDF_SHA256, AEADId.CHACHA20_POLY1305
    )
    key = KEMKey.from_pyca_cryptography_key(pyca_private(envelope))
    context = suite.create_recipient_context(entry[1][-4], key, info=recipient_info(envelope))
    return commitment(context.open(entry[2])) == cbor2.loads(protected)["cc"]


def open_with_pyca(envelope, info=None):
    protected, unprotected, ciphertext, entry = cose_parts(envelope)
    cek = pyca_suite(envelope).decrypt(
        entry[1][-4] + entry[2], pyca_private(envelope), info or recipient_info(envelope)
    )
    assert commitment(cek) == cbor2.loads(protected)["cc"]
    aad = det(["Encrypt", protected, unhex(envelope, "header")])
    signed = cbor2.loads(unpad(AESGCM(cek).decrypt(unprotected[5], ciphertext, aad)))
    sign_protected, _, payload, signature = signed.value
    structure = ["Signature1", sign_protected, unhex(envelope, "message_aad"), payload]
    ed25519_public(unhex(envelope, "sender_public")).verify(signature, det(structure))
    return payload


def seal_with_pyca(envelope):
    payload = unhex(envelope, "payload")
    sign_protected = det({1: ED25519})
    structure = ["Signature1", sign_protected, unhex(envelope, "message_aad"), payload]
    key = ed25519.Ed25519PrivateKey.from_private_bytes(unhex(envelope, "sender_seed"))
    signed = det(cbor2.CBORTag(18, [sign_protected, {}, payload, key.sign(det(structure))]))
    cek, iv = os.urandom(32), os.urandom(12)
    protected = det({1: A256GCM, "cc": commitment(cek)})
    aad = det(["Encrypt", protected, unhex(envelope, "header")])
    ciphertext = AESGCM(cek).encrypt(iv, pad(signed), aad)
    wrapped = pyca_suite(envelope).encrypt(cek, pyca_public(envelope), recipient_info(envelope))
    entry = [
        det({1: envelope["alg"], 4: unhex(envelope, "kid")}),
        {-4: wrapped[:-48]},
        wrapped[-48:],
    ]
    return det(cbor2.CBORTag(96, [protected, {5: iv}, ciphertext, [entry]]))


def flipped(data):
    return data[:-1] + bytes([data[-1] ^ 1])


def envelopes(ours):
    made = []
    for envelope in ours["envelopes"]:
        name = f"S{envelope['suite']}"
        payload = unhex(envelope, "payload")
        if envelope["suite"] == 1:
            attempt(f"cwt opens our {name} envelope", lambda e=envelope, p=payload: open_with_cwt(e) == p)
            refused(
                "cwt refuses our S1 envelope under another header",
                lambda e=envelope: open_with_cwt(e, header=flipped(unhex(e, "header"))),
            )
            refused(
                "cwt refuses our S1 envelope for another recipient",
                lambda e=envelope: open_with_cwt(e, extra=flipped(unhex(e, "extra"))),
            )
            attempt("pyhpke unwraps our S1 content key", lambda e=envelope: unwrap_with_pyhpke(e))
            made.append((envelope, "S1 envelope sealed by cwt opens", seal_with_cwt))
        attempt(f"pyca opens our {name} envelope", lambda e=envelope, p=payload: open_with_pyca(e) == p)
        refused(
            f"pyca refuses our {name} envelope for another recipient",
            lambda e=envelope: open_with_pyca(e, info=flipped(recipient_info(e))),
        )
        made.append((envelope, f"{name} envelope sealed by pyca opens", seal_with_pyca))
    return [
        {"case": case, "suite": envelope["suite"], "cose_encrypt": seal(envelope).hex()}
        for envelope, case, seal in made
    ]


# --- cards -------------------------------------------------------------------------------------


def cards(table):
    label = unhex(table, "label")
    old, new = cwt_public(unhex(table, "old")), cwt_public(unhex(table, "new"))

    def genesis():
        return COSE.new().decode(unhex(table, "genesis"), old, external_aad=label)

    attempt("cwt verifies our card", genesis)
    refused(
        "cwt refuses our card under another label",
        lambda: COSE.new().decode(unhex(table, "genesis"), old, external_aad=b"other"),
    )

    def rotation():
        body_protected, _, payload, signatures = cbor2.loads(unhex(table, "rotated")).value
        for raw, (protected, _, signature) in zip(("old", "new"), signatures, strict=True):
            structure = det(["Signature", body_protected, protected, label, payload])
            ed25519_public(unhex(table, raw)).verify(signature, structure)
        return True

    attempt("pyca verifies both signatures of our rotation", rotation)
    for name, key in (("old", old), ("new", new)):
        attempt(
            f"cwt verifies our rotation by the {name} key",
            lambda k=key: COSE.new().decode(unhex(table, "rotated"), k, external_aad=label),
        )
    return COSE.new().encode_and_sign(
        unhex(table, "body_to_sign"),
        cwt_private(unhex(table, "old_seed")),
        protected={1: ED25519},
        external_aad=label,
    ).hex()


# --- requests ----------------------------------------------------------------------------------


class Keys(hms.HTTPSignatureKeyResolver):
    def __init__(self, table):
        self.table = table

    def resolve_public_key(self, key_id):
        return ed25519_public(unhex(self.table, "public"))

    def resolve_private_key(self, key_id):
        return ed25519.Ed25519PrivateKey.from_private_bytes(unhex(self.table, "seed"))


def message(table, headers):
    return types.SimpleNamespace(method=table["method"], url=table["url"], headers=headers)


COVERED = ("@method", "@authority", "@path", "@query", "content-digest", "content-type")


def requests(table):
    body = unhex(table, "body")
    resolver = Keys(table)

    def verify(content):
        sent = message(
            table,
            {
                "Content-Type": table["content_type"],
                "Content-Digest": table["content_digest"],
                "Signature-Input": table["signature_input"],
                "Signature": table["signature"],
            },
        )
        verifier = hms.HTTPMessageVerifier(
            signature_algorithm=algorithms.ED25519, key_resolver=resolver
        )
        results = verifier.verify(
            sent,
            expect_tag="waxwing/v1",
            expect_label="waxwing",
            require_components=COVERED,
            body=content,
        )
        return len(results) == 1

    attempt("http-message-signatures verifies our request", lambda: verify(body))
    refused("http-message-signatures refuses another body", lambda: verify(b"other"))

    digest = base64.b64encode(hashlib.sha256(body).digest()).decode()
    sent = message(
        table,
        {
            "Content-Type": table["content_type"],
            "Content-Digest": f"sha-256=:{digest}:",
        },
    )
    signer = hms.HTTPMessageSigner(signature_algorithm=algorithms.ED25519, key_resolver=resolver)
    signer.sign(
        sent,
        key_id=table["key_id"],
        created=datetime.datetime.now(datetime.UTC),
        nonce="BQUFBQUFBQUFBQUFBQUFBQ",
        label="waxwing",
        tag="waxwing/v1",
        covered_component_ids=COVERED,
        use_existing_digest=True,
        body=body,
    )
    return {
        "content_digest": sent.headers["Content-Digest"],
        "signature_input": sent.headers["Signature-Input"],
        "signature": sent.headers["Signature"],
    }


# --- attachments -------------------------------------------------------------------------------


def tink_stream(key):
    fields = aes_gcm_hkdf_streaming_pb2.AesGcmHkdfStreamingKey(
        version=0,
        key_value=key,
        params=aes_gcm_hkdf_streaming_pb2.AesGcmHkdfStreamingParams(
            ciphertext_segment_size=1 << 20,
            derived_key_size=32,
            hkdf_hash_type=common_pb2.SHA256,
        ),
    )
    data = tink_pb2.KeyData(
        type_url="type.googleapis.com/google.crypto.tink.AesGcmHkdfStreamingKey",
        value=fields.SerializeToString(),
        key_material_type=tink_pb2.KeyData.SYMMETRIC,
    )
    keyset = tink_pb2.Keyset(primary_key_id=1)
    keyset.key.add(
        key_data=data,
        status=tink_pb2.ENABLED,
        key_id=1,
        output_prefix_type=tink_pb2.RAW,
    )
    handle = cleartext_keyset_handle.from_keyset(keyset)
    return handle.primitive(streaming_aead.StreamingAead)


def attachments(files, folder):
    streaming_aead.register()
    made = []
    for file in files:

        def opens(f=file, aad=None):
            with open(folder / f["file"], "rb") as sealed:
                stream = tink_stream(unhex(f, "key"))
                with stream.new_decrypting_stream(sealed, aad or unhex(f, "aad")) as plain:
                    content = plain.read()
            return hashlib.sha256(content).hexdigest() == f["sha256"] and len(content) == f["padded"]

        attempt(f"tink opens our file of {file['length']} bytes", opens)
        refused(
            f"tink refuses our file of {file['length']} bytes under another id",
            lambda f=file: opens(f, flipped(unhex(f, "aad"))),
        )
        key, att_id = os.urandom(32), os.urandom(16)
        name = f"theirs-{file['length']}.sealed"
        content = (bytes(range(251)) * (file["length"] // 251 + 1))[: file["length"]]
        content += bytes(max(256, padme(len(content))) - len(content))
        with open(folder / name, "wb") as sealed:
            stream = tink_stream(key)
            with stream.new_encrypting_stream(sealed, det(["waxwing/att/v1", att_id])) as plain:
                plain.write(content)
        made.append(
            {"file": name, "length": file["length"], "key": key.hex(), "att_id": att_id.hex()}
        )
    return made


# --- vault -------------------------------------------------------------------------------------


def slot_keys(vault_id, kdf, passphrase):
    prk = argon2.low_level.hash_secret_raw(
        passphrase.encode(), kdf[5], kdf[3], kdf[2], kdf[4], 32, argon2.low_level.Type.ID, kdf[1]
    )
    keys = HKDF(hashes.SHA256(), 64, vault_id, b"waxwing/vault/kek/v1").derive(prk)
    return keys[:32], keys[32:]


def slot_aad(vault_id, kdf):
    return det(["waxwing/vault/slot/v1", vault_id, 1, kdf])


def keyring_cipher(root, salt):
    return AESGCM(HKDF(hashes.SHA256(), 32, salt, b"waxwing/vault/keyring/v1").derive(root))


def keyring_aad(header):
    slots = hashlib.sha256(det(header[4])).digest()
    return det(["waxwing/vault/keyring/v1", header[2], header[3], slots])


def unwrap_root(header, passphrase):
    slot = header[4][0]
    kek, commit = slot_keys(header[2], slot[2], passphrase)
    assert commit == slot[3]
    return AESGCM(kek).decrypt(slot[4], slot[5], slot_aad(header[2], slot[2]))


def vault(table, passphrase):
    header = cbor2.loads(unhex(table, "header"))
    root, keyring = None, None

    def opens():
        nonlocal root, keyring
        root = unwrap_root(header, table["passphrase"])
        sealed = header[5]
        keyring = keyring_cipher(root, sealed[1]).decrypt(sealed[2], sealed[3], keyring_aad(header))
        return unhex(table, "account_seed") in keyring

    attempt("argon2-cffi and pyca open our vault header", opens)
    refused("argon2-cffi: another passphrase is refused", lambda: unwrap_root(header, "wrong"))
    kdf = dict(header[4][0][2])
    kdf[5] = os.urandom(32)
    kek, commit = slot_keys(header[2], kdf, passphrase)
    nonce = os.urandom(12)
    wrapped = AESGCM(kek).encrypt(nonce, root, slot_aad(header[2], kdf))
    header[4][0] = {1: 1, 2: kdf, 3: commit, 4: nonce, 5: wrapped}
    header[3] += 1
    salt, nonce = os.urandom(32), os.urandom(12)
    sealed = keyring_cipher(root, salt).encrypt(nonce, keyring, keyring_aad(header))
    header[5] = {1: salt, 2: nonce, 3: sealed}
    del header[6]
    header[6] = hashlib.sha256(det(header)).digest()
    return det(header).hex()


def main():
    program, folder = sys.argv[1], pathlib.Path(sys.argv[2])
    subprocess.run([program, "produce", str(folder)], check=True)
    ours = json.loads((folder / "ours.json").read_text())
    theirs = {
        "envelopes": envelopes(ours),
        "card": cards(ours["cards"]),
        "request": requests(ours["request"]),
        "attachments": attachments(ours["attachments"], folder),
        "key_service": key_service_formats.exchange(ours["key_service"], attempt, refused),
        "vault_passphrase": "another passphrase, from over there",
    }
    theirs["vault"] = vault(ours["vault"], theirs["vault_passphrase"])
    (folder / "theirs.json").write_text(json.dumps(theirs))
    checked = subprocess.run([program, "check", str(folder)], check=True, stdout=subprocess.PIPE)
    for line in checked.stdout.splitlines():
        result = json.loads(line)
        report(result["case"], result["ok"])


if __name__ == "__main__":
    try:
        main()
    except Exception as error:  # noqa: BLE001: also a crash is counted and told
        report(f"{type(error).__name__}: {error}", False)
    print(f"interop: {passed} passed, {failed} failed")
    sys.exit(1 if failed else 0)
