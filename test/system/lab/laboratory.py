"""One run's laboratory: a LAN, a folder, the images, and the hosts on it."""

import os
import shutil
import subprocess
import sys

from lab.host import Host, run

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "..", "..", "scripts"))
import guestbook_images  # noqa: E402
from oci_image import Image, Layer, write_tarball  # noqa: E402

TOOLS = "registry.example/test/tools:v1"  # busybox; runs until it is told to end


class Laboratory:
    NETWORK = "10.99.0"
    BRIDGE = "lan"

    def __init__(self, mk, folder, cgroup):
        self.mk, self.folder, self.cgroup = mk, folder, cgroup
        self.kubectl = shutil.which("kubectl")
        self._hosts = []
        self._numbers = 0
        self._images = None
        run("ip", "link", "set", "lo", "up")
        # Its own address: without one a bridge takes that of a port, and another when that host ends, and the others
        # then send into nothing until they ask again.
        run("ip", "link", "add", self.BRIDGE, "address", "02:00:00:00:00:01", "type", "bridge")
        run("ip", "addr", "add", f"{self.NETWORK}.1/24", "dev", self.BRIDGE)
        run("ip", "link", "set", self.BRIDGE, "up")
        self.resolv_conf = os.path.join(folder, "resolv.conf")
        with open(self.resolv_conf, "w", encoding="ascii") as out:
            out.write(f"nameserver {self.NETWORK}.1\n")

    def host(self, name):
        self._numbers += 1
        host = Host(self, f"{name}{self._numbers}", self._numbers)
        self._hosts.append(host)
        return host

    def end(self):
        for host in self._hosts:
            host.end()

    def images(self):
        """A tarball with the test image and the guestbook's."""
        if self._images is None:
            made = [tools_image(), *guestbook_images.make_images()]
            self._images = os.path.join(self.folder, "images.tar")
            write_tarball(self._images, made)
        return self._images


def tools_image(name=TOOLS, extra=b""):
    layer = guestbook_images.base_layer()
    layer.text("/extra", extra.hex())
    # A shell as PID 1 ignores TERM; this one ends at once, as a well-behaved program does.
    layer.text("/bin/serve", "#!/bin/sh\ntrap 'exit 0' TERM INT\necho started\nsleep 100000 &\nwait\n", 0o755)
    return Image(name, [layer], {"Cmd": ["/bin/serve"], "Env": ["PATH=/bin"]})


def missing_features():
    """What this machine cannot do of what the system tests need: name -> why."""
    missing = {}
    probes = {
        "network namespaces": ["unshare", "--net", "true"],
        "PID and mount namespaces": ["unshare", "--mount", "--pid", "--fork", "--mount-proc", "true"],
        "veth and bridge": ["unshare", "--net", "sh", "-c",
                            "ip link add br0 type bridge && ip link add veth0 type veth peer name veth1"],
        "vxlan": ["unshare", "--net", "sh", "-c",
                  "ip link set lo up && ip link add vxlan0 type vxlan id 1 dev lo dstport 8472"],
        "iptables nat": ["unshare", "--net", "iptables", "-w", "-t", "nat", "-S"],
        "overlayfs": ["unshare", "--mount", "sh", "-c",
                      "mount -t tmpfs t /mnt && mkdir /mnt/l /mnt/u /mnt/w /mnt/m && "
                      "mount -t overlay o -o lowerdir=/mnt/l,upperdir=/mnt/u,workdir=/mnt/w /mnt/m"],
        "runc": ["runc", "--version"],
    }
    for name, words in probes.items():
        try:
            done = subprocess.run(words, capture_output=True, text=True, timeout=30, check=False)
            if done.returncode != 0:
                missing[name] = (done.stderr or done.stdout).strip().splitlines()[-1:] or ["failed"]
        except OSError as error:
            missing[name] = [str(error)]
    return {name: why[0] for name, why in missing.items()}
