"""The first process of a host's PID namespace: sets the stage, then reaps. Not imported: run by host.py."""

import os
import signal
import socket
import subprocess
import sys

socket.sethostname(sys.argv[1])
# What belongs to a running system must not be shared with the machine underneath.
subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=755", "run", "/run"], check=True)
# No name server is asked but the laboratory's, which refuses at once: nothing here waits for a real one.
subprocess.run(["mount", "--bind", sys.argv[2], os.path.realpath("/etc/resolv.conf")], check=True)
signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the runner
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGCHLD])
print("ready", flush=True)
while True:
    signal.sigwaitinfo([signal.SIGCHLD])
    try:
        while os.waitpid(-1, os.WNOHANG)[0] != 0:
            pass
    except ChildProcessError:
        pass
