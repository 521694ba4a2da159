"""OCI images out of files of this machine: layouts, tarballs, pushes. Standard library only.

The same files give the same digests: nothing in an image depends on when or where it was made.
"""

import gzip
import hashlib
import http.client
import io
import json
import os
import subprocess
import tarfile
import urllib.parse

MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
CONFIG_TYPE = "application/vnd.oci.image.config.v1+json"
LAYER_TYPE = "application/vnd.oci.image.layer.v1.tar+gzip"
INDEX_TYPE = "application/vnd.oci.image.index.v1+json"


def digest_of(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def dump(value):
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def architecture():
    return {"x86_64": "amd64", "aarch64": "arm64"}.get(os.uname().machine, os.uname().machine)


class Layer:
    """One layer's content, added path by path; parents are made as needed."""

    def __init__(self):
        self._entries = {}

    def directory(self, path, mode=0o755):
        self._add(path, tarfile.DIRTYPE, mode)

    def text(self, path, content, mode=0o644):
        self._add(path, tarfile.REGTYPE, mode, content.encode())

    def file(self, path, source, mode=None):
        with open(source, "rb") as opened:
            content = opened.read()
        self._add(path, tarfile.REGTYPE, mode or os.stat(source).st_mode & 0o777, content)

    def symlink(self, path, target):
        self._add(path, tarfile.SYMTYPE, 0o777, target=target)

    def program(self, path, source):
        """A program with the shared libraries it is linked to, each where the loader looks for it."""
        self.file(path, source, 0o755)
        for library in shared_libraries(source):
            self.file(library, os.path.realpath(library), 0o755)

    def busybox(self, source):
        self.file("/bin/busybox", source, 0o755)
        applets = subprocess.run([source, "--list"], capture_output=True, text=True, check=True)
        for applet in applets.stdout.split():
            if applet != "busybox":
                self.symlink("/bin/" + applet, "busybox")

    def tar(self):
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
            for name in sorted(self._entries):
                info, content = self._entries[name]
                archive.addfile(info, io.BytesIO(content))
        return out.getvalue()

    def _add(self, path, kind, mode, content=b"", target=""):
        name = path.strip("/")
        parent = os.path.dirname(name)
        if parent and parent not in self._entries:
            self._add(parent, tarfile.DIRTYPE, 0o755)
        info = tarfile.TarInfo(name)
        info.type, info.mode, info.size, info.linkname, info.mtime = kind, mode, len(content), target, 0
        self._entries[name] = (info, content)


def shared_libraries(program):
    """Paths ldd names; none for a static program."""
    answer = subprocess.run(["ldd", program], capture_output=True, text=True, check=False)
    out = []
    for line in answer.stdout.splitlines():
        words = line.split()
        if len(words) >= 3 and words[1] == "=>" and words[2].startswith("/"):
            out.append(words[2])
        elif words and words[0].startswith("/"):
            out.append(words[0])
    return out


class Image:
    """One image for one platform. `config` is the image's Config: Entrypoint, Cmd, Env, User, WorkingDir ..."""

    def __init__(self, name, layers, config):
        self.name = name
        self.blobs = {}
        tars = [layer.tar() for layer in layers]
        zipped = [gzip.compress(tar, 6, mtime=0) for tar in tars]
        self._config = self._blob(CONFIG_TYPE, dump({
            "architecture": architecture(), "os": "linux", "created": "1970-01-01T00:00:00Z", "config": config,
            "rootfs": {"type": "layers", "diff_ids": [digest_of(tar) for tar in tars]},
        }))
        self.layers = [self._blob(LAYER_TYPE, data) for data in zipped]
        self.manifest = self._blob(MANIFEST_TYPE, dump({
            "schemaVersion": 2, "mediaType": MANIFEST_TYPE, "config": self._config, "layers": self.layers,
        }))

    @property
    def digest(self):
        return self.manifest["digest"]

    @property
    def size(self):
        return sum(len(data) for data in self.blobs.values())

    def _blob(self, media_type, data):
        digest = digest_of(data)
        self.blobs[digest] = data
        return {"mediaType": media_type, "digest": digest, "size": len(data)}


def layout_files(images):
    """An OCI image layout of several images: path -> content."""
    manifests = []
    files = {"oci-layout": dump({"imageLayoutVersion": "1.0.0"})}
    for image in images:
        annotations = {"org.opencontainers.image.ref.name": image.name.rpartition(":")[2],
                       "io.containerd.image.name": image.name}
        platform = {"architecture": architecture(), "os": "linux"}
        manifests.append(dict(image.manifest, annotations=annotations, platform=platform))
        for digest, data in image.blobs.items():
            files["blobs/sha256/" + digest.partition(":")[2]] = data
    files["index.json"] = dump({"schemaVersion": 2, "mediaType": INDEX_TYPE, "manifests": manifests})
    return files


def write_layout(directory, images):
    for name, data in layout_files(images).items():
        path = os.path.join(directory, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        write_whole(path, data)


def write_tarball(path, images):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, data in sorted(layout_files(images).items()):
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
    write_whole(path, out.getvalue())


def write_whole(path, data):
    """Whole or not at all: an interrupted run leaves no half file that the next one would trust."""
    with open(path + ".new", "wb") as out:
        out.write(data)
    os.replace(path + ".new", path)


class Registry:
    """Pushes to a registry over plain HTTP; meant for one on loopback."""

    def __init__(self, host, port):
        self._host, self._port = host, port

    def push(self, image, repository, tag):
        for digest, data in image.blobs.items():
            if digest != image.digest:
                self._push_blob(repository, digest, data)
        self._expect(201, "PUT", f"/v2/{repository}/manifests/{tag}", image.blobs[image.digest],
                     {"Content-Type": MANIFEST_TYPE})

    def _push_blob(self, repository, digest, data):
        status, _ = self._request("HEAD", f"/v2/{repository}/blobs/{digest}")
        if status == 200:
            return
        location = self._expect(202, "POST", f"/v2/{repository}/blobs/uploads/", b"", {})["Location"]
        parts = urllib.parse.urlsplit(location)
        query = (parts.query + "&" if parts.query else "") + "digest=" + urllib.parse.quote(digest)
        self._expect(201, "PUT", parts.path + "?" + query, data, {"Content-Type": "application/octet-stream"})

    def _expect(self, wanted, method, path, body, headers):
        status, answer = self._request(method, path, body, headers)
        if status != wanted:
            raise SystemExit(f"the registry at {self._host}:{self._port} answered {status} to {method} {path}")
        return answer

    def _request(self, method, path, body=None, headers=None):
        connection = http.client.HTTPConnection(self._host, self._port, timeout=30)
        try:
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            answer.read()
            return answer.status, answer.headers
        finally:
            connection.close()
