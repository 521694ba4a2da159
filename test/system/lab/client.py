"""A Kubernetes client small enough to be no suspect: http.client, ssl, json."""

import base64
import http.client
import json
import os
import re
import ssl
import tempfile
import time
import urllib.parse

KEPT_MAX = 60  # seconds that a connection may have been idle; the server closes after three minutes

PATCHES = {
    "json": "application/json-patch+json",
    "merge": "application/merge-patch+json",
    "strategic": "application/strategic-merge-patch+json",
    "apply": "application/apply-patch+yaml",
}


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def text(self):
        return self.body.decode(errors="replace")

    @property
    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return f"{self.status} {self.text[:1500]}"


class Credentials:
    """From a kubeconfig: a client certificate; or a bearer token; or nothing."""

    def __init__(self, ca=None, certificate=None, key=None, token=None):
        self.ca, self.certificate, self.key, self.token = ca, certificate, key, token

    @staticmethod
    def of_kubeconfig(path):
        with open(path, encoding="utf-8") as opened:
            text = opened.read()

        def field(name):
            found = re.search(name + r": *\"?([A-Za-z0-9+/=]+)", text)
            return base64.b64decode(found.group(1)).decode() if found else None

        return Credentials(field("certificate-authority-data"), field("client-certificate-data"),
                           field("client-key-data"))

    def with_token(self, token):
        return Credentials(self.ca, token=token)

    def nobody(self):
        return Credentials(self.ca)

    def context(self):
        context = ssl.create_default_context(cadata=self.ca)
        context.check_hostname = False  # hosts are reached by address; the CA is what is checked
        if self.certificate:
            with tempfile.NamedTemporaryFile("w", suffix=".pem") as pem:
                os.chmod(pem.name, 0o600)
                pem.write(self.certificate + "\n" + self.key)
                pem.flush()
                context.load_cert_chain(pem.name)
        return context


class Client:
    def __init__(self, host, port, credentials):
        self.host, self.port, self.credentials = host, port, credentials
        self._context = credentials.context()
        self._connection = None
        self._used = 0.0

    def connect(self, timeout):
        return http.client.HTTPSConnection(self.host, self.port, timeout=timeout, context=self._context)

    def request(self, method, path, body=None, content_type="application/json", timeout=30, headers=None):
        sent = dict(headers or {})
        if self.credentials.token:
            sent["Authorization"] = "Bearer " + self.credentials.token
        if body is not None:
            sent["Content-Type"] = content_type
            body = body if isinstance(body, bytes) else body.encode() if isinstance(body, str) else dump(body)
        if time.monotonic() - self._used > KEPT_MAX:
            self.close()
        self._used = time.monotonic()
        for attempt in (1, 2):
            kept = self._connection is not None
            if not kept:
                self._connection = self.connect(timeout)
            try:
                self._connection.request(method, path, body, sent)
                answer = self._connection.getresponse()
                return Answer(answer.status, answer.headers, answer.read())
            except (OSError, http.client.HTTPException):
                self.close()
                # A kept connection may have been closed meanwhile; a write is repeated by nobody but the caller.
                if attempt == 2 or not kept or method != "GET":
                    raise
        raise AssertionError("not reached")

    def close(self):
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def expect(self, status, method, path, body=None, **options):
        answer = self.request(method, path, body, **options)
        if answer.status != status:
            raise AssertionError(f"{method} {path}: {status} expected, got {answer!r}")
        return answer

    def get(self, path, **options):
        return self.expect(200, "GET", path, **options).json

    def create(self, path, body):
        return self.expect(201, "POST", path, body).json

    def replace(self, path, body):
        return self.expect(200, "PUT", path, body).json

    def delete(self, path, body=None):
        answer = self.request("DELETE", path, body)
        if answer.status not in (200, 202):
            raise AssertionError(f"DELETE {path}: {answer!r}")
        return answer.json

    def patch(self, kind, path, body):
        return self.expect(200, "PATCH", path, body, content_type=PATCHES[kind]).json

    def apply(self, path, body, manager="test", force=False):
        query = urllib.parse.urlencode({"fieldManager": manager, "force": str(force).lower()})
        return self.request("PATCH", f"{path}?{query}", body, PATCHES["apply"])

    def watch(self, path, timeout=20, **query):
        """Events, until the server or the timeout ends the watch."""
        query = urllib.parse.urlencode({"watch": "true", **query})
        connection = self.connect(timeout)
        headers = {"Authorization": "Bearer " + self.credentials.token} if self.credentials.token else {}
        connection.request("GET", f"{path}?{query}", headers=headers)
        answer = connection.getresponse()
        if answer.status != 200:
            raise AssertionError(f"watch {path}: {answer.status} {answer.read()[:500]}")
        try:
            while line := answer.readline():
                yield json.loads(line)
        finally:
            connection.close()


def dump(value):
    return json.dumps(value).encode()
