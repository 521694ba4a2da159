"""The least a container costs here: `runc run --detach` of the test image's files, with nothing around it."""

import io
import json
import os
import subprocess
import tarfile
import time

from lab.laboratory import tools_image


class RuncFloor:
    def __init__(self, lab):
        self._folder = os.path.join(lab.folder, "floor")
        self._cgroup = f"/{lab.cgroup}/floor"
        self._made = 0
        rootfs = os.path.join(self._folder, "rootfs")
        image = tools_image()
        for layer in image.layers:
            with tarfile.open(fileobj=io.BytesIO(image.blobs[layer["digest"]])) as archive:
                archive.extractall(rootfs)
        subprocess.run(["runc", "spec", "--bundle", self._folder], check=True)
        with open(os.path.join(self._folder, "config.json"), encoding="utf-8") as opened:
            self._spec = json.load(opened)
        self._spec["root"] = {"path": rootfs, "readonly": False}
        self._spec["process"].update(terminal=False, args=["/bin/serve"])

    def start(self, count):
        """Starts so many at once; seconds until each `runc run` returned, its container started. They are removed."""
        bundles = [self._bundle() for _ in range(count)]
        began = time.monotonic()
        running = {name: self._runc("run", "--detach", "--pid-file", os.path.join(bundle, "pid"), "--bundle", bundle, name)
                   for name, bundle in bundles}
        took = []
        while len(took) < count:
            pid, status = os.wait()  # in the order in which they end; nothing else of this process ends meanwhile
            ended = next((each for each in running.values() if each.pid == pid), None)
            if ended is not None:
                took.append(time.monotonic() - began)
                ended.returncode = os.waitstatus_to_exitcode(status)
        self._remove(bundles)
        failed = [name for name, process in running.items() if process.returncode != 0]
        if failed:
            raise RuntimeError(f"runc run failed for {', '.join(failed)}; see {self._folder}/log")
        return took

    def _bundle(self):
        self._made += 1
        name = f"floor-{self._made}"
        bundle = os.path.join(self._folder, name)
        os.makedirs(bundle)
        self._spec["linux"]["cgroupsPath"] = f"{self._cgroup}/{name}"
        with open(os.path.join(bundle, "config.json"), "w", encoding="utf-8") as out:
            json.dump(self._spec, out)
        return name, bundle

    def _runc(self, *words):
        state, log = os.path.join(self._folder, "state"), os.path.join(self._folder, "log")
        return subprocess.Popen(["runc", "--root", state, "--log", log, *words], stdin=subprocess.DEVNULL,
                                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def _remove(self, bundles):
        for name, bundle in bundles:
            self._runc("delete", "--force", name).wait()
            try:
                with open(os.path.join(bundle, "pid"), encoding="ascii") as opened:
                    os.waitpid(int(opened.read()), 0)  # this process is the first of its namespace: orphans are its own
            except (OSError, ValueError):
                pass  # it never started
