"""A host: network, mount, UTS, IPC and PID namespaces of its own, and a leg in the laboratory's LAN.

Ending a host's first process is like pulling its plug: every process, mount and interface in it is gone at once.
"""

import os
import signal
import subprocess
import sys

from lab.wait import eventually

INIT = os.path.join(os.path.dirname(__file__), "host_init.py")


def run(*words, check=True, timeout=60):
    done = subprocess.run(words, capture_output=True, text=True, timeout=timeout, check=False)
    if check and done.returncode != 0:
        raise RuntimeError(f"{' '.join(words)}: exit {done.returncode}: {done.stdout}{done.stderr}")
    return done


class Host:
    def __init__(self, lab, name, number):
        self.name, self.folder = name, os.path.join(lab.folder, name)
        self.address = f"{lab.NETWORK}.{10 + number}"
        self.cgroup = f"/{lab.cgroup}/{name}"
        self._leg = f"lan{number}"
        self._processes = []
        os.makedirs(self.folder, exist_ok=True)
        self._init = subprocess.Popen(
            ["unshare", "--net", "--mount", "--uts", "--ipc", "--pid", "--fork", "--kill-child", "--mount-proc",
             "--propagation", "private", sys.executable, INIT, name, lab.resolv_conf], stdout=subprocess.PIPE)
        if self._init.stdout.readline() != b"ready\n":
            raise RuntimeError(f"cannot make namespaces for host {name}")
        self._pid = children(self._init.pid)[0]
        self._connect(lab)

    def _connect(self, lab):
        run("ip", "link", "add", self._leg, "type", "veth", "peer", "name", "eth0", "netns", str(self._pid))
        run("ip", "link", "set", self._leg, "master", lab.BRIDGE, "up")
        for words in (("addr", "add", self.address + "/24", "dev", "eth0"), ("link", "set", "eth0", "up"),
                      ("link", "set", "lo", "up"), ("route", "add", "default", "via", lab.NETWORK + ".1")):
            run("nsenter", "-t", str(self._pid), "-n", "ip", *words)

    @property
    def first_pid(self):
        """Of the host's first process, as the laboratory sees it; all others of the host descend from it."""
        return self._pid

    def enter(self, *words):
        return ["nsenter", "-t", str(self._pid), "-n", "-m", "-u", "-i", "-p", "--", *words]

    def run(self, *words, **options):
        return run(*self.enter(*words), **options)

    def start(self, log, *words, environment=None):
        """A process on this host; its output goes to `log`."""
        with open(log, "ab") as out:
            process = Process(subprocess.Popen(self.enter(*words), stdout=out, stderr=out, stdin=subprocess.DEVNULL,
                                               env=environment))
        self._processes.append(process)
        return process

    def unplug(self):
        """Cuts the host off the LAN."""
        run("ip", "link", "set", self._leg, "down")

    def plug(self):
        run("ip", "link", "set", self._leg, "up")

    def end(self):
        for process in self._processes:
            process.forget()
        if self._init.poll() is None:
            self._init.kill()
        self._init.wait()
        self._init.stdout.close()


class Process:
    """A program that nsenter started: `pid` is the program's, as the laboratory sees it."""

    def __init__(self, entered):
        self._entered = entered
        self.pid = None

    def find(self):
        if self.pid is None and self.running():
            self.pid = eventually(lambda: children(self._entered.pid), 5, "the started process")[0]
        return self.pid

    def running(self):
        return self._entered.poll() is None

    @property
    def exit_code(self):
        return self._entered.poll()

    def signal(self, number):
        if self.running():
            os.kill(self.find(), number)

    def kill(self):
        """kill -9, and wait until it is gone."""
        self.signal(signal.SIGKILL)
        self._entered.wait(30)

    def stop(self, seconds=30):
        self.signal(signal.SIGTERM)
        return self.wait(seconds)

    def wait(self, seconds=30):
        return self._entered.wait(seconds)

    def forget(self):
        if self._entered.poll() is None:
            self._entered.kill()
        self._entered.wait()


def children(pid):
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as opened:
        return [int(word) for word in opened.read().split()]
