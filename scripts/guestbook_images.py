#!/usr/bin/env python3
"""Makes the guestbook's two OCI images from files of Debian packages (busybox-static, redis-server).

  scripts/guestbook_images.py --layout DIR            an OCI image layout
  scripts/guestbook_images.py --tarball FILE          the same as one file, for `mk images import FILE`
  scripts/guestbook_images.py --push HOST:PORT        into a registry (plain HTTP)

Several may be given at once.
"""

import argparse
import os
import shutil
import sys

from oci_image import Image, Layer, Registry, write_layout, write_tarball

HERE = os.path.dirname(os.path.abspath(__file__))
FRONT_FILES = os.path.join(HERE, "..", "examples", "guestbook", "front")
REPOSITORY = "registry.example/"  # a name for examples; registries.yaml says where it really is

PASSWD = "root:x:0:0:root:/root:/bin/sh\nguestbook:x:1000:1000::/:/bin/sh\nnobody:x:65534:65534::/:/bin/false\n"
GROUP = "root:x:0:\nguestbook:x:1000:\nnogroup:x:65534:\n"


def program(name, package):
    found = shutil.which(name, path="/usr/sbin:/usr/bin:/sbin:/bin")
    if found is None:
        raise SystemExit(f"{name} is missing; as root: apt-get install {package}")
    return os.path.realpath(found)


def base_layer():
    layer = Layer()
    layer.text("/etc/passwd", PASSWD)
    layer.text("/etc/group", GROUP)
    layer.text("/etc/nsswitch.conf", "hosts: files dns\n")
    layer.directory("/tmp", 0o1777)
    for path in ("/proc", "/sys", "/dev", "/root", "/run"):
        layer.directory(path)
    layer.busybox(program("busybox", "busybox-static"))
    return layer


def front_image(base):
    layer = Layer()
    layer.file("/guestbook/redis.sh", os.path.join(FRONT_FILES, "redis.sh"), 0o644)
    for name in sorted(os.listdir(os.path.join(FRONT_FILES, "cgi-bin"))):
        layer.file("/www/cgi-bin/" + name, os.path.join(FRONT_FILES, "cgi-bin", name), 0o755)
    config = {"Entrypoint": ["/bin/httpd", "-f", "-p", "8080", "-h", "/www"], "Env": ["PATH=/bin"], "User": "1000",
              "WorkingDir": "/", "ExposedPorts": {"8080/tcp": {}}}
    return Image(REPOSITORY + "guestbook/front:v1", [base, layer], config)


def redis_image(base):
    layer = Layer()
    layer.program("/usr/bin/redis-server", program("redis-server", "redis-server"))
    layer.directory("/data", 0o777)
    config = {"Entrypoint": ["/usr/bin/redis-server"], "Env": ["PATH=/usr/bin:/bin"], "WorkingDir": "/data",
              "ExposedPorts": {"6379/tcp": {}}}
    return Image(REPOSITORY + "guestbook/redis:v1", [base, layer], config)


def make_images():
    base = base_layer()
    return [front_image(base), redis_image(base)]


def push_all(images, address):
    host, _, port = address.rpartition(":")
    registry = Registry(host, int(port))
    for image in images:
        repository, _, tag = image.name.partition("/")[2].rpartition(":")
        registry.push(image, repository, tag)
        print(f"pushed {address}/{repository}:{tag} {image.digest}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--layout", metavar="DIR")
    parser.add_argument("--tarball", metavar="FILE")
    parser.add_argument("--push", metavar="HOST:PORT")
    arguments = parser.parse_args()
    if not (arguments.layout or arguments.tarball or arguments.push):
        parser.error("say what to make: --layout, --tarball or --push")
    images = make_images()
    for image in images:
        print(f"made {image.name} ({image.size / 1e6:.1f} MB)")
    if arguments.layout:
        write_layout(arguments.layout, images)
    if arguments.tarball:
        write_tarball(arguments.tarball, images)
    if arguments.push:
        push_all(images, arguments.push)
    return 0


if __name__ == "__main__":
    sys.exit(main())
