"""The results: series of values by name, what is wanted of them, a table and a JSON file."""

import json
import os
import platform
import statistics
import time

# name -> (the target, the final target of the design); rows that are not here have none.
# All of these are met by a median at or below them.
TARGETS = {
    "stripped binary": (15, None),
    "first start: exec to /readyz": (1000, 200),
    "restart: exec to /readyz": (1000, 80),
    "idle: PSS": (48, 24),
    "idle: written to disk": (None, 70e6 / 1440 / 1024),  # 70 MB a day
    "GET: server CPU": (None, 20),
    "pod start, one at a time: p50 / floor": (None, 2),
    "pod start, one at a time: p99": (None, 250),
    "pod start, 30 at once: last": (None, 1500),
}


def percentile(values, percent):
    """The smallest value that at least `percent` of the values do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, -(-len(ordered) * percent // 100) - 1)]


class Row:
    def __init__(self, name, unit, values):
        self.name, self.unit, self.values = name, unit, list(values)
        self.target, self.final = TARGETS.get(name, (None, None))

    @property
    def median(self):
        return statistics.median(self.values)

    def met(self, target):
        return None if target is None else self.median <= target

    def as_json(self):
        return {"name": self.name, "unit": self.unit, "median": self.median, "min": min(self.values),
                "max": max(self.values), "values": self.values, "target": self.target, "met": self.met(self.target),
                "final_target": self.final, "final_met": self.met(self.final)}


class Report:
    def __init__(self, binary, version):
        self.binary, self.version, self.rows, self.failures = binary, version, {}, []
        self._began, self._load = time.time(), os.getloadavg()

    def add(self, name, unit, value):
        """One more value of a series; rows keep the order in which they first came."""
        self.rows.setdefault(name, Row(name, unit, [])).values.append(value)

    def failed(self, name, error):
        self.failures.append(f"{name}: {error}")

    def print_table(self):
        heads = ("", "median", "min", "max", "unit", "target", "met", "final", "met")
        lines = [heads] + [table_line(row) for row in self.rows.values()]
        widths = [max(len(line[column]) for line in lines) for column in range(len(heads))]
        for line in lines:
            cells = [cell.ljust(width) if column in (0, 4) else cell.rjust(width)
                     for column, (cell, width) in enumerate(zip(line, widths))]
            print("  ".join(cells).rstrip())
        print(f"\n{self.binary} ({self.version}) on {os.cpu_count()} cores, Linux {platform.release()}; "
              f"load average {self._load[0]:.1f} before, {os.getloadavg()[0]:.1f} after")
        for failure in self.failures:
            print("FAILED " + failure)

    def write_json(self, path):
        whole = {"binary": self.binary, "version": self.version, "began": self._began, "cores": os.cpu_count(),
                 "kernel": platform.release(), "machine": platform.machine(), "load_before": self._load, "load_after": os.getloadavg(),
                 "failures": self.failures, "rows": [row.as_json() for row in self.rows.values()]}
        with open(path + ".new", "w", encoding="utf-8") as out:
            json.dump(whole, out, indent=1)
        os.replace(path + ".new", path)


def table_line(row):
    words = {True: "yes", False: "NO", None: ""}
    limit = [("" if target is None else "<= " + number(target)) for target in (row.target, row.final)]
    return (row.name, number(row.median), number(min(row.values)), number(max(row.values)), row.unit,
            limit[0], words[row.met(row.target)], limit[1], words[row.met(row.final)])


def number(value):
    if abs(value) >= 100 or value == int(value):
        return f"{value:.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"
