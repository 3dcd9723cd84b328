"""Times the system's libsodium through ctypes (a call costs about a microsecond here, which counts
against it a little): `sealed` = sealed box and detached signature of 1 KiB, `pwhash` = argon2id.
Prints medians as JSON."""

import ctypes
import json
import statistics
import sys
import time

try:
    sodium = ctypes.CDLL("libsodium.so.23")
except OSError as error:
    sys.exit(f"libsodium.so.23 is not installed (apt-get install libsodium23): {error}")
assert sodium.sodium_init() >= 0


def median_us(function, rounds=11, batch=0.04):
    figures = []
    for _ in range(rounds):
        start, calls = time.perf_counter(), 0
        while time.perf_counter() - start < batch:
            function()
            calls += 1
        figures.append((time.perf_counter() - start) * 1e6 / calls)
    return statistics.median(figures)


def sealed():
    public, secret = ctypes.create_string_buffer(32), ctypes.create_string_buffer(32)
    sodium.crypto_box_keypair(public, secret)
    sign_public, sign_secret = ctypes.create_string_buffer(32), ctypes.create_string_buffer(64)
    sodium.crypto_sign_keypair(sign_public, sign_secret)
    message = ctypes.create_string_buffer(b"x" * 1024, 1024)
    length = ctypes.c_ulonglong(1024)
    box, signature = ctypes.create_string_buffer(1024 + 48), ctypes.create_string_buffer(64)
    opened = ctypes.create_string_buffer(1024)

    def seal():
        sodium.crypto_sign_detached(signature, None, message, length, sign_secret)
        sodium.crypto_box_seal(box, message, length, public)

    def open_():
        box_length = ctypes.c_ulonglong(1024 + 48)
        assert sodium.crypto_box_seal_open(opened, box, box_length, public, secret) == 0
        assert sodium.crypto_sign_verify_detached(signature, opened, length, sign_public) == 0

    seal()
    return {"seal_us": median_us(seal), "open_us": median_us(open_)}


def pwhash():
    out, salt = ctypes.create_string_buffer(32), ctypes.create_string_buffer(16)
    password = b"a long passphrase for an example"

    def once(mebibytes):
        start = time.perf_counter()
        result = sodium.crypto_pwhash(
            out,
            ctypes.c_ulonglong(32),
            password,
            ctypes.c_ulonglong(len(password)),
            salt,
            ctypes.c_ulonglong(3),
            ctypes.c_size_t(mebibytes << 20),
            ctypes.c_int(2),
        )
        assert result == 0
        return (time.perf_counter() - start) * 1e3

    return {
        f"ms_{mebibytes}": statistics.median(once(mebibytes) for _ in range(5))
        for mebibytes in (64, 256)
    }


print(json.dumps({"sealed": sealed, "pwhash": pwhash}[sys.argv[1]]()))
