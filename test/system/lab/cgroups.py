"""What a run of the laboratory must remove by hand: cgroups are the one thing that no namespace takes along."""

import glob
import os
import time


def remove_cgroups(name):
    """Every cgroup of that name and below, in all hierarchies; processes in them are just ending."""
    for top in glob.glob("/sys/fs/cgroup/" + name) + glob.glob("/sys/fs/cgroup/*/" + name):
        for folder, _, _ in os.walk(top, topdown=False):
            for _ in range(50):
                try:
                    os.rmdir(folder)
                    break
                except OSError:
                    time.sleep(0.02)
