"""What the kernel knows about the processes of a host: memory, bytes written, processor time."""

import os
import time

MIB = 1024 * 1024


def pids_of(cluster):
    """The processes of the cluster's host, its first one included, as this namespace numbers them."""
    parents = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", encoding="ascii", errors="replace") as opened:
                    parents[int(name)] = int(opened.read().rpartition(")")[2].split()[1])
            except OSError:
                pass  # it ended
    # The server's parent is outside the host (who entered it); supervisors are orphans, which the first process takes.
    roots = {cluster.host.first_pid, cluster.server.find()}
    return [pid for pid in parents if descends(pid, roots, parents)]


def descends(pid, roots, parents):
    while pid and pid not in roots:
        pid = parents.get(pid, 0)
    return pid in roots


def running_program(cluster):
    """The host's processes that run mk: the server, and the supervisors of its pods, whose file mk carries inside."""
    out = []
    for pid in pids_of(cluster):
        try:
            program = os.readlink(f"/proc/{pid}/exe")
            if program == cluster.lab.mk or os.path.basename(program).startswith("mk-supervisor-"):
                out.append(pid)
        except OSError:
            pass
    return out


def memory(pid):
    """(RSS, PSS) in bytes."""
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as opened:
        fields = dict(line.split(":", 1) for line in opened.read().splitlines()[1:])
    return tuple(int(fields[name].split()[0]) * 1024 for name in ("Rss", "Pss"))


def pss_by_kind(pid):
    """PSS in bytes: of the program file, of libraries, of other files, and anonymous (heap, stacks, written data)."""
    out = {"program": 0, "libraries": 0, "other files": 0, "anonymous": 0}
    program = os.readlink(f"/proc/{pid}/exe")
    kind, anonymous = "anonymous", 0
    with open(f"/proc/{pid}/smaps", encoding="utf-8", errors="replace") as opened:
        for line in opened:
            words = line.split()
            if words[0] == "Pss:":
                pss = int(words[1]) * 1024
            elif words[0] == "Anonymous:":
                # Written pages of a private file mapping (relocations, data) belong to the process, not to the file.
                anonymous = min(int(words[1]) * 1024, pss)
                out["anonymous"] += anonymous
                out[kind] += pss - anonymous
            elif not words[0].endswith(":"):
                kind = kind_of(words[5] if len(words) > 5 else "", program)
    return out


def kind_of(path, program):
    if path == program:
        return "program"
    if ".so" in path:
        return "libraries"
    return "other files" if path.startswith("/") else "anonymous"


def written(cluster):
    """Bytes that processes of the host have caused to be written. Ended ones count through who waited for them."""
    total = 0
    for pid in pids_of(cluster):
        try:
            with open(f"/proc/{pid}/io", encoding="ascii") as opened:
                fields = dict(line.split(": ") for line in opened.read().splitlines())
            total += int(fields["write_bytes"])
        except OSError:
            pass
    return total


def cpu_seconds(pid):
    """User and system time of all threads of a process, ended ones included."""
    return time.clock_gettime(~pid << 3 | 2)  # CPUCLOCK_SCHED of a process: see clock_getcpuclockid(3)
