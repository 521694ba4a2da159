"""Packages of npm for the tests: fetched once, outside, since the laboratory has no way to any registry."""

import os
import shutil
import subprocess

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "..", "build", "npm")
CLIENT = "@kubernetes/client-node"
VERSION = "1.4.0"  # the last that runs on node 20
SECONDS = 120


def fetch():
    """Leaves the package in build/npm, or there why it cannot be had."""
    os.makedirs(FOLDER, exist_ok=True)
    why = _fetch() if not os.path.exists(_entry()) else None
    with open(os.path.join(FOLDER, "why"), "w", encoding="utf-8") as out:
        out.write(why or "")


def _fetch():
    for program in ("node", "npm"):
        if shutil.which(program) is None:
            return f"needs {program}, which this machine does not have"
    words = ["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", FOLDER, f"{CLIENT}@{VERSION}"]
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return f"npm install {CLIENT}@{VERSION} did not end within {SECONDS} s"
    return None if done.returncode == 0 else f"npm install {CLIENT}@{VERSION} failed: {last_line(done.stderr)}"


def last_line(text):
    lines = [line for line in text.splitlines() if "error" in line] or ["no reason given"]
    return lines[0]


def _entry():
    return os.path.join(FOLDER, "node_modules", CLIENT, "dist", "index.js")


def client():
    """(file of the library, None) or (None, why there is none)."""
    if os.path.exists(_entry()):
        return os.path.abspath(_entry()), None
    with open(os.path.join(FOLDER, "why"), encoding="utf-8") as opened:
        return None, opened.read() or "the package was not fetched"
