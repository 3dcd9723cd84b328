"""Strangers at the key service: a client written from the service's own page alone, with nothing but
Python's library, and the curl commands of docs/relay.md as they stand there.

Usage: key_service.py RELAY-PROGRAM FOLDER
"""

import base64
import io
import json
import pathlib
import re
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request
import xml.etree.ElementTree as ElementTree
import zipfile

PASSED = 0


def check(what, got, wanted):
    global PASSED
    if got != wanted:
        sys.exit(f"key service: {what}: {got!r} instead of {wanted!r}")
    PASSED += 1


class Client:
    def __init__(self, service, form):
        self.service, self.form = service, form

    def ask(self, verb, parameters=None, headers=None, body=None, kind=None):
        url = self.service + ("?format=xml" if self.form == "xml" else "")
        if parameters is not None and verb == "GET":
            url += ("&" if "?" in url else "?") + urllib.parse.urlencode(parameters)
        elif parameters is not None:
            body = urllib.parse.urlencode(parameters).encode()
            kind = "application/x-www-form-urlencoded"
        request = urllib.request.Request(url, data=body, method=verb, headers=headers or {})
        if kind:
            request.add_header("Content-Type", kind)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as answer:
            return answer.code, answer.read()

    def value(self, body):
        if self.form == "xml":
            return ElementTree.fromstring(body).text
        value = json.loads(body)
        return str(value).lower() if isinstance(value, bool) else value

    def fields(self, body):
        if self.form == "xml":
            return {child.tag: child.text for child in ElementTree.fromstring(body)}
        return json.loads(body)

    def messages(self, body):
        if self.form == "xml":
            members = ElementTree.fromstring(body)
            return [{field.tag: field.text for field in member} for member in members]
        return json.loads(body)


def multipart(fields, file_name, file_bytes):
    edge = "an-edge-that-is-nowhere-else"
    parts = [
        f'--{edge}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in fields.items()
    ]
    head = f'--{edge}\r\nContent-Disposition: form-data; name="file"; filename="{file_name}"\r\n'
    parts.append(head.encode() + b"Content-Type: application/octet-stream\r\n\r\n")
    parts.append(file_bytes + f"\r\n--{edge}--\r\n".encode())
    return b"".join(parts), f"multipart/form-data; boundary={edge}"


def online(client):
    passphrase, text = "snake & ladder ü", "Grüße aus Python <&> 🌊"
    status, body = client.ask("POST", {"passphrase": passphrase})
    check("a key is made", status, 200)
    token = client.fields(body)["KeyToken"]
    owner = {"token": token, "passphrase": passphrase}
    check("nothing waits", client.ask("GET", owner), (304, b""))
    status, body = client.ask("PUT", {"token": token, "message": text})
    check("a message is taken", (status, client.value(body)), (200, "true"))
    content = bytes(range(256)) * 9
    form, kind = multipart({"token": token}, "bytes.bin", content)
    status, body = client.ask("PUT", body=form, kind=kind)
    check("a file is taken", (status, client.value(body)), (200, "true"))
    status, body = client.ask("GET", owner)
    message, file = client.messages(body)
    check("the message is opened", message["MessageData"], text)
    check("it is no file", str(message["IsFile"]).lower(), "false")
    zipped = zipfile.ZipFile(io.BytesIO(base64.b64decode(file["MessageData"])))
    check("the file is opened", zipped.read("bytes.bin"), content)
    date = r"/Date\(\d+\)/" if client.form == "json" else r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"
    check("it says when", bool(re.fullmatch(date, message["Created"])), True)
    check("a wrong one opens nothing", client.ask("GET", {**owner, "passphrase": "no"})[0], 400)
    check("the key is deleted", client.value(client.ask("DELETE", owner)[1]), "Deleted.")
    check("and is gone", client.ask("GET", owner)[0], 404)


def offline(client):
    public, private, digest = "<RSAKeyValue/>", "sealed key", "any string"
    upload = {"publickey": public, "privatekey": private, "privatekeyhash": digest}
    status, body = client.ask("POST", upload)
    check("a key is uploaded", status, 200)
    token = client.fields(body)["KeyToken"]
    owner = {"token": token, "privatekeyhash": digest}
    check("nothing waits", client.ask("GET", headers=owner), (304, b""))
    sealed = {"token": token, "encryptedmessage": "c2VhbGVk+/=", "encryptionkey": "a2V5"}
    status, body = client.ask("PUT", sealed)
    check("a sealed message is taken", (status, client.value(body)), (200, "true"))
    status, body = client.ask("GET", headers=owner)
    (message,) = client.messages(body)
    got = (message["MessageData"], message["EncryptionKey"])
    check("it comes back as it was", got, ("c2VhbGVk+/=", "a2V5"))
    check("a wrong hash reads nothing", client.ask("GET", {**owner, "privatekeyhash": "no"})[0], 400)
    check("the key is deleted", client.value(client.ask("DELETE", owner)[1]), "Deleted.")
    check("and is gone", client.ask("DELETE", owner)[0], 404)


def by_curl(service, folder):
    text = pathlib.Path("docs/relay.md").read_text()
    (commands,) = re.findall(r"```sh\n(service=.*?)```", text, re.DOTALL)
    for name, content in [
        ("picture.png", "a picture"),
        ("public.xml", "<RSAKeyValue/>"),
        ("key.txt", "a2V5"),
        ("sealed.txt", "c2VhbGVk"),
    ]:
        (folder / name).write_text(content)
    script = f"set -eu\ncurl() {{ command curl --silent --show-error --fail \"$@\"; }}\n{commands}"
    done = subprocess.run(
        ["sh", "-c", script],
        cwd=folder,
        env={"PATH": "/usr/bin:/bin", "service": service},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    check("curl fails at nothing", (done.returncode, done.stderr), (0, ""))
    check("it reads what it sent", '"MessageData":"Hello"' in done.stdout, True)
    check("in XML too", "<MessageData>c2VhbGVk</MessageData>" in done.stdout, True)
    check("and deletes both keys", done.stdout.count("Deleted."), 2)


def main():
    program, folder = sys.argv[1], pathlib.Path(sys.argv[2])
    relay = subprocess.Popen(
        [program, "--listen", "127.0.0.1:0", "--data", str(folder / "relay")],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        for line in relay.stdout:
            said = json.loads(line)
            if said.get("message") == "listening":
                break
        else:
            sys.exit("key service: the relay does not listen")
        service = f"http://{said['address']}/Service"
        for form in ("json", "xml"):
            online(Client(service, form))
            offline(Client(service, form))
        by_curl(service, folder)
    finally:
        relay.terminate()
        relay.communicate(timeout=30)
    print(f"key service: {PASSED} passed, 0 failed")


main()
