#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""bench: what `make bench` measures and shows; scripts/bench checks the input
and calls it.

  bench run         measure, for KERNELS, GUEST, QUICK and RUNS
  bench document    put the tables of the last whole run of each kernel into
                    the documentation

Boots Xen with upstream's driver and with ours in turn, under instruction
counting, has payload/run-bench.sh move guests, and measures in the same way
the floor: what no driver can leave out.  Writes results.json, table.txt,
times.svg and the consoles to build/bench/, and what a whole run found of each
kernel to full-KERNEL.json.

Status 0: every move reached its target, every figure is what is wanted, the
floor is what it should be and (RUNS=2) two runs agree; 1: something of that is
not so.
"""

import glob
import json
import os
import re
import shutil
import subprocess
import sys
import time

import xenhost
from xenhost import BUILD, Lost, Machine, ROOT

OUT = os.path.join(BUILD, "bench")
SILENCE = 900           # wall seconds without a word: the machine is gone
DRIVERS = ("upstream", "new")
MODULES = ("floor", "lender")
NAMES = {"upstream": "upstream", "new": "ours"}
ALL_GUESTS = ("pvh", "pv", "hvm")
PAGES = 768 * 256       # what a move moves
MIB = 256               # pages
AGREE = 0.01            # of two runs, where a figure is held to a floor

# what is counted, untimed, in a move of its own: the label, and the names of
# what is added up; see payload/tracecount.c and count.c
NOTHING = "nothing"     # the move whose counts are those of counting itself
COUNTS = {"calls to move memory": ("event call/memory_op",),
          # and mmu_update, multicall, update_va_mapping, mmuext_op: what the
          # guest calls to move memory and to unmap and map it
          "calls for memory": ("event call/memory_op",) +
          tuple(f"hypercall {number}$" for number in (1, 13, 14, 26)),
          # the same as Xen has it: once more whenever it has interrupted one
          "entries to Xen for them": tuple(
              f"{kind} {number}$" for kind in ("hypercall", "continued")
              for number in (1, 12, 13, 14, 26)),
          "released, 2 MiB": ("release 9",),
          "released, 4 KiB": ("release 0",),
          "populated, 2 MiB": ("populate 9",),
          "populated, 4 KiB": ("populate 0",),
          "TLB flushes": ("event call/do_flush_tlb_all",
                          "event call/do_kernel_range_flush",
                          "event call/flush_tlb_func"),
          "allocator calls": ("event kmem/mm_page_alloc",
                              "event kmem/mm_page_free")}
# ours, for a GiB, at most
COUNT_LIMITS = {("pvh", "inflate", "calls to move memory"): 260,
                ("pvh", "deflate", "calls to move memory"): 32,
                ("pv", "inflate", "calls for memory"): 1100,
                ("pv", "deflate", "calls for memory"): 1100,
                ("pvh", "inflate", "TLB flushes"): 0,
                ("pvh", "deflate", "TLB flushes"): 0,
                ("pvh", "inflate", "allocator calls"): 520,
                ("pvh", "deflate", "allocator calls"): 520}
LONGEST = 20000         # us of a hypercall of ours
HUGE_SHARE = 0.99       # of what is taken back
WAIT = 0.020            # s of somebody who wants one page
GIB = 1024 * 256        # pages

# ours, in units of the floor, at most
LIMITS = {("pvh", "inflate"): 1.05, ("pvh", "deflate"): 1.20,
          ("pv", "inflate"): 1.15, ("pv", "deflate"): 1.20}
POD_FACTOR = 5          # how much faster than upstream, at least
# the same, on the wall; where the floor there is not so much faster, as fast as
# the floor but for what a clock on the wall is worth
WALL_FACTOR = {"inflate": 5, "deflate": 25}
WALL_FLOORS = 1.25
WALL_TRIES = 3          # QEMU may lose the guest
EQUAL = 0.99            # the same, where it need not be faster

# ns a page that the floor was once found to be; more is a defect of its code
FLOOR_ONCE = {("pvh", "inflate"): 1850 / .1965, ("pvh", "deflate"): 0.93e3,
              ("pv", "inflate"): 790 / .1965, ("pv", "deflate"): 1.80e3}
FLOOR_SLACK = 1.05

# what the floor consists of, from the names that bench-floor uses; of each
# part the best size counts, and of several names the best as well
FLOOR_PARTS = {("pvh", "inflate"): ("scrub", "release"),
               ("pvh", "deflate"): ("populate",),
               ("pv", "inflate"): ("scrub", "unmap", "release"),
               ("pv", "deflate"): ("populate|populate0", "map")}


class Screen:
    """A line that moves on a terminal, and lines that stay."""

    def __init__(self):
        self.live = sys.stderr.isatty() and \
            os.environ.get("TERM", "dumb") != "dumb"
        self.began = time.monotonic()

    def show(self, text):
        took = time.monotonic() - self.began
        text = f"{took // 60:3.0f}:{took % 60:02.0f}  {text}"
        if self.live:
            sys.stderr.write(f"\r\033[K{text}"[:79])
        else:
            sys.stderr.write(text + "\n")
        sys.stderr.flush()

    def clear(self):
        if self.live:
            sys.stderr.write("\r\033[K")
            sys.stderr.flush()


class Boot:
    """One boot of Xen: a kernel with a driver, and what is measured in it."""

    def __init__(self, screen, linux, driver, label):
        self.screen = screen
        self.linux = linux
        self.driver = driver
        self.label = label
        self.trouble = []
        self.found = {}         # of the guest at hand
        self.guest = None

    # --- what is heard

    def hear(self, kind, text):
        if kind in ("xen", "dom0", "guest"):
            pattern = xenhost.XEN_REPORTS if kind == "xen" else xenhost.REPORTS
            if pattern.search(text):
                self.trouble.append(f"{kind}: {text.strip()}")
        elif kind == "S":
            self.screen.show(f"{self.linux} {NAMES[self.driver]}: {text}")
        elif kind == "deaf":
            self.screen.clear()
            print(f"{text}; asked again", file=sys.stderr)
        elif kind == "T" and text.startswith("not "):
            self.trouble.append(f"{self.guest}: {text[4:]}: no")
        elif kind == "N":
            self.trouble.append(f"{self.guest}: {text}")
        elif kind == "D":
            self.data(*text.split())

    def data(self, what, *words):
        found = self.found
        if what == "move":
            name, verdict, *numbers = words if len(words) == 4 else \
                (words[0], "said nothing")
            if verdict == "moved":
                got = {"ns": int(numbers[0]), "pages": int(numbers[1])}
                # on the wall, several times: others only make it longer
                found[name] = min(got, found.get(name, got),
                                  key=lambda entry: entry["ns"])
            else:
                self.trouble.append(f"{self.guest}: {name} {verdict} "
                                    + " ".join(numbers))
        elif what == "floor":
            match = re.fullmatch(r"(\S+) size=(\d+) pages=(\d+) ns=(\d+)",
                                 " ".join(words))
            if match:
                part, size, pages, ns = match[1], *map(int, match.groups()[1:])
                found.setdefault(part, {})[size] = ns / pages
            elif words != ("done",):
                self.trouble.append(f"the floor: {' '.join(words)}")
        elif what == "boot":
            if len(words) == 3:
                boot = found.setdefault(f"boot{words[1]}", {"each": []})
                boot["each"].append(int(float(words[2]) * 1e9))
                # whatever comes between makes it longer, never shorter
                boot["ns"] = min(boot["each"])
            else:
                self.trouble.append(f"no first line of init: {words}")
        elif what == "idle":
            found["idle"] = {"ns": int(words[0])}
        elif what == "lender":
            said = dict(word.split("=") for word in words if "=" in word)
            if said.get("met") != "1" or said["waits"] == said["refused"]:
                self.trouble.append(f"{self.guest}: a lender: {words}")
            else:
                worst = max(int(said["worst_ns"]),
                            found.get("lender", {"ns": 0})["ns"])
                found["lender"] = {"ns": worst}
        elif what == "count":
            counts = found.setdefault("counts", {}).setdefault(words[0], {})
            name = f"{words[1]} {words[2]}"
            if words[1] == "lost":
                self.trouble.append(f"{self.guest}: {words[3]} records of "
                                    "Xen's trace were lost")
            counts[name] = counts.get(name, 0) + int(words[3])
        elif what == "counter":
            found.setdefault("counters", []).append(" ".join(words))

    # --- what is done

    def part(self, guest, part):
        """One part of run-bench.sh; what it found."""
        self.guest = guest
        self.found = {}
        self.machine.prefix = f"{part}."
        self.machine.ask("bench", guest, part)
        ended = False
        while not ended:
            ended = any(got == "E" for got, _ in self.machine.pending)
            self.machine.pending = []
            if not ended:
                self.machine.pump(1, SILENCE)
        return self.found

    def parts(self, guests, quick):
        """(kind of what is found, guest, part) for one boot."""
        for guest in guests:
            yield self.driver, guest, "moves"
            if guest == "hvm":
                continue
            if self.driver == "new":
                yield "floor", guest, "floor"
            for part in [] if quick else ["counted", "holes", "lender",
                                          "idle"]:
                yield self.driver, guest, part
        if "pvh" in guests and not quick:
            yield self.driver, "pvh", "pod"
            if self.driver == "new":
                yield self.driver, "pvh", "pod_xen"

    def run(self, image, files, parts, note, **machine):
        """Boot, and note(kind, guest, what was found) for each part."""
        self.screen.show(f"{self.linux} {NAMES[self.driver]}: booting Xen "
                         "and dom0")
        self.machine = Machine(self.label, image, memory="3G",
                               guest_files=files, on_line=self.hear, **machine)
        try:
            self.machine.start()
            for kind, guest, part in parts:
                note(kind, guest, self.part(guest, part))
        except Lost as error:
            self.trouble.append(f"the machine was lost: {error}")
        finally:
            self.machine.stop()
        keep = os.path.join(OUT, "consoles", os.path.basename(self.label))
        shutil.rmtree(keep, ignore_errors=True)
        shutil.copytree(self.machine.dir, keep)


# --- what the numbers say

def best(parts, names):
    """The cheapest way to do one part of the floor, in ns a page."""
    costs = [cost for name in names.split("|")
             for cost in parts.get(name, {}).values()]
    return min(costs) if costs else None


def floor_of(parts, guest, move):
    """ns a page, or None where some of it was not measured."""
    costs = [best(parts, names) for names in FLOOR_PARTS[guest, move]]
    return None if None in costs else sum(costs)


def floor_time(parts, guest, move):
    """The floor of PAGES in s, or None."""
    cost = floor_of(parts, guest, move)
    return None if cost is None else cost * PAGES / 1e9


def plain(entry):
    return entry["ns"] / 1e9 if entry else None


def scaled(entry):
    """Of a move, as if it had been exactly PAGES."""
    return plain(entry) / entry["pages"] * PAGES if entry else None


def added(entry, more, less):
    """What one boot takes longer than another."""
    more, less = plain(entry.get(more)), plain(entry.get(less))
    return None if more is None or less is None else more - less


class Row:
    """A line of the table: a time with either driver, and what is wanted of
    ours: at most so many floors, at least so many times faster (one of the two,
    where both are given), or at most so many seconds."""

    def __init__(self, names, times, floor=None, limit=None, least=None,
                 most=None):
        self.linux, self.guest, self.move = names
        self.times = times
        self.floor = floor
        self.limit = limit
        self.least = least
        self.most = most

    def whole(self):
        return None not in self.times.values() and \
            (self.floor is not None or self.limit is None)

    def ratio(self):
        """Ours in units of the floor."""
        ours = self.times["new"]
        return ours / self.floor if ours and self.floor else None

    def faster(self):
        ours, theirs = self.times["new"], self.times["upstream"]
        return theirs / ours if ours and theirs else None

    def holds(self):
        """Whether the figure is what it should be; None: there is none."""
        if not self.whole():
            return None
        if self.most is not None:
            return self.times["new"] <= self.most
        return (self.least is not None and self.faster() >= self.least) or \
            (self.limit is not None and self.ratio() <= self.limit)

    def wanted(self):
        if self.most is not None:
            return f"<= {self.most:g} s"
        if self.limit is None:
            return f">= {self.least:g} times" if self.least > 1 \
                else "not slower"
        if self.least is None:
            return f"<= {self.limit:.2f} floors"
        return f">= {self.least:g} times or <= {self.limit:.2f} floors"

    def cells(self):
        def show(value, form):
            return "-" if value is None else format(value, form)
        verdict = {True: "yes", False: "NO", None: "-"}[self.holds()]
        form = ".4f" if self.most else ".3f"
        return (self.linux, self.guest, self.move,
                show(self.times["upstream"], form),
                show(self.times["new"], form), show(self.faster(), ".2f"),
                show(self.floor, ".3f"), show(self.ratio(), ".3f"),
                self.wanted(), verdict)


COLUMNS = ("Linux", "guest", "move", "upstream", "ours", "faster", "floor",
           "ours", "wanted", "there")
UNITS = ("", "", "", "s", "s", "times", "s", "floors", "", "")
MEANINGS = (
    "inflate, deflate: 768 MiB of a guest of 1 GiB given to Xen and taken back;"
    " 2: again",
    "-holes: 256 MiB of a guest in which every second page is in use",
    "idle: CPU time of a guest in ten minutes in which nothing is to be done",
    "lender: the longest that a driver waits for one page while 768 MiB move",
    "boot: how much longer a guest of 256 MiB boots if its map shows 1024",
    "Xen clears: the same with xen.balloon_boot_xen_scrubs=1, upstream without",
    "wall: 768 MiB by the clock on the wall, the best of three, QEMU with a "
    "thread for each CPU")


def moves_of(rounds):
    for n in range(1, rounds + 1):
        for direction in "inflate", "deflate":
            yield direction, direction + (str(n) if n > 1 else "")


def rows_of(run):
    rows = []
    for linux, results in run.items():
        def times(guest, how, results=results):
            return {driver: how(results.get(driver, {}).get(guest, {}))
                    for driver in DRIVERS}

        for guest in results["guests"]:
            if guest == "hvm":
                rows += [Row((linux, guest, move),
                             times(guest, lambda found, m=move:
                                   scaled(found.get(m))), least=EQUAL)
                         for move in ("inflate", "deflate")]
                continue
            parts = results.get("floor", {}).get(guest, {})
            for direction, move in moves_of(results["rounds"]):
                rows.append(Row(
                    (linux, guest, move),
                    times(guest, lambda found, m=move: scaled(found.get(m))),
                    floor_time(parts, guest, direction),
                    LIMITS[guest, direction]))
            if results["quick"]:
                continue
            for move in "inflate-holes", "deflate-holes", "idle":
                rows.append(Row(
                    (linux, guest, move),
                    times(guest, lambda found, m=move: plain(found.get(m))),
                    least=EQUAL))
            rows.append(Row(
                (linux, guest, "lender"),
                times(guest, lambda found: plain(found.get("lender"))),
                most=WAIT))
        if "pvh" in results["guests"] and not results["quick"]:
            boots = times("pvh", lambda found: added(found, "boot1024",
                                                     "boot256"))
            rows.append(Row((linux, "pvh", "boot"), boots, least=POD_FACTOR))
            ours = results.get("new", {}).get("pvh", {})
            rows.append(Row(
                (linux, "pvh", "boot, Xen clears"),
                {**boots, "new": added(ours, "boot1024-xen", "boot256")},
                least=POD_FACTOR))
            parts = results.get("floor on the wall", {}).get("pvh", {})
            for move, least in WALL_FACTOR.items():
                rows.append(Row(
                    (linux, "pvh", f"{move}, wall"),
                    times("wall", lambda found, m=move: scaled(found.get(m))),
                    floor_time(parts, "pvh", move), WALL_FLOORS, least))
    return rows


def table(cells, heads, right):
    """Lines of text; RIGHT are the columns of numbers."""
    widths = [max(map(len, column)) for column in zip(*cells)]
    lines = ["  ".join(text.rjust(w) if i in right else text.ljust(w)
                       for i, (text, w) in enumerate(zip(row, widths)))
             .rstrip() for row in cells]
    lines.insert(heads, "-" * max(map(len, lines)))
    return lines


def tables(run):
    """All that is shown."""
    lines = table([COLUMNS, UNITS] + [row.cells() for row in rows_of(run)], 2,
                  range(3, 8))
    lines += ["", *MEANINGS]
    counted = [count_cells(row) for row in count_rows(run)]
    if counted:
        lines += ["", *table([COUNT_COLUMNS] + counted, 1, (4, 5))]
    return lines + ["", *floor_table(run)] + [
        f"in extents of 2 MiB, {linux} {guest}, of what was taken back: "
        f"{100 * share:.2f} %" for linux, guest, share in shares(run)]


def floor_table(run):
    """What the floor consists of, in ns a page."""
    lines = []
    for linux, results in run.items():
        for guest, parts in results.get("floor", {}).items():
            texts = [f"{name} {min(costs.values()):.0f}"
                     for name, costs in parts.items()]
            lines.append(f"floor, {linux} {guest}, ns a page: "
                         + ", ".join(texts))
    return lines


def named(counts, prefixes):
    """How often what begins with one of these was counted; $ is its end."""
    return sum(value for name, value in counts.items()
               if (name + "$").startswith(prefixes))


def added_up(counts, move, prefixes):
    """Per GiB, less what counting itself makes; None: nothing was counted."""
    if not {move, NOTHING} <= set(counts):
        return None
    # what Xen's trace does not have did not happen; an event that is not there
    # could not be counted
    if prefixes[0].startswith("event") and \
            not any((name + "$").startswith(prefixes) for name in counts[move]):
        return None
    number = named(counts[move], prefixes) - named(counts[NOTHING], prefixes)
    return round(max(number, 0) * GIB / PAGES)


def count_rows(run):
    """(linux, guest, move, what, upstream, ours, limit or None)"""
    for linux, results in run.items():
        for guest in results["guests"]:
            if results["quick"] or guest == "hvm":
                continue
            for move in "inflate", "deflate":
                found = [results.get(driver, {}).get(guest, {})
                         for driver in DRIVERS]
                for what, names in COUNTS.items():
                    values = [added_up(entry.get("counts", {}), move, names)
                              for entry in found]
                    most = COUNT_LIMITS.get((guest, move, what))
                    if any(values) or most is not None:
                        yield linux, guest, move, what, *values, most
                name = {"inflate": "release", "deflate": "populate"}[move]
                yield (linux, guest, move, "longest call, us", None,
                       longest(found[-1], name), LONGEST)
            yield (linux, guest, "both", "longest hold of the lock, us", None,
                   longest(found[-1], "lock"), None)


def count_cells(row):
    *names, theirs, ours, most = row
    verdict = "-" if most is None or ours is None else \
        "yes" if ours <= most else "NO"
    return (*names, *("-" if value is None else str(value)
                      for value in (theirs, ours)),
            "-" if most is None else f"<= {most}", verdict)


COUNT_COLUMNS = ("Linux", "guest", "move", "for each GiB", "upstream", "ours",
                 "wanted", "there")


def longest(found, name):
    """In us, by what our driver counts itself; None: it does not say."""
    for line in found.get("counters", []):
        match = re.fullmatch(name + r" longest_ns=(\d+)", line)
        if match:
            return int(match[1]) // 1000
    return None


def shares(run):
    """(linux, guest, how much of what our driver took back came in 2 MiB)"""
    for linux, results in run.items():
        for guest in results["guests"]:
            lines = results.get("new", {}).get(guest, {}).get("counters", [])
            extents = {match[1]: int(match[2]) for match in
                       (re.match(r"populate_(\S+) .*extents=(\d+)", line)
                        for line in lines) if match}
            huge = extents.get("2m", 0) * 512
            pages = extents.get("page", 0)
            if huge + pages:
                yield linux, guest, huge / (huge + pages)


def defects(run):
    """Floors that are larger than they were found to be."""
    for linux, results in run.items():
        for guest, parts in results.get("floor", {}).items():
            for move in "inflate", "deflate":
                cost = floor_of(parts, guest, move)
                most = FLOOR_ONCE[guest, move] * FLOOR_SLACK
                if cost is not None and cost > most:
                    yield (f"the floor of {linux} {guest} {move} is "
                           f"{cost:.0f} ns a page, more than {most:.0f}: "
                           "bench-floor does too much")


def apart(first, second, held):
    """(the greatest difference of two runs, where): of the rows that are held
    to a floor of instructions, or of the others."""
    worst, where = 0, "nowhere"
    for one, two in zip(rows_of(first), rows_of(second)):
        # a clock on the wall, and the one longest of many
        if one.move.endswith("wall") or one.most is not None or \
                (one.limit is not None) != held:
            continue
        pairs = [(one.times[driver], two.times[driver], NAMES[driver])
                 for driver in DRIVERS] + [(one.floor, two.floor, "floor")]
        for a, b, name in pairs:
            if a and b and abs(a - b) / min(a, b) >= worst:
                worst = abs(a - b) / min(a, b)
                where = f"{one.linux} {one.guest} {one.move}, {name}"
    return worst, where


def picture(rows, title, path):
    """A group of columns for each move."""
    rows = [row for row in rows if row.whole()]
    if not rows:
        return
    data = "".join(f'"{row.linux}\\n{row.guest}\\n{row.move}" '
                   f'{row.times["upstream"]:.4f} {row.times["new"]:.4f} '
                   f'{row.floor if row.floor is not None else "NaN"}\n'
                   for row in rows)
    width = max(560, 130 + 84 * len(rows))
    script = (
        f"set terminal svg size {width},420 "
        "font 'sans-serif,12' background '#ffffff'\n"
        f"set output '{path}'\n"
        f"set title '{title}' noenhanced\n"
        "set style data histogram\n"
        "set style histogram clustered gap 1\n"
        "set style fill solid border lc rgb '#606060'\n"
        "set border 3 lc rgb '#606060'\nset tics nomirror out\n"
        "set grid ytics lc rgb '#e4e4e4' lt 1\n"
        "set ylabel 'instruction-time (s), logarithmic'\n"
        "set logscale y\nset yrange [0.05:*]\nset key top right\n"
        f"$data << END\n{data}END\n"
        "plot $data using 2:xtic(1) title 'upstream' lc rgb '#b2182b',"
        " '' using 3 title 'ours' lc rgb '#2166ac',"
        " '' using 4 title 'floor' lc rgb '#c0c0c0'\n")
    done = subprocess.run(["gnuplot"], input=script, text=True, check=False,
                          stderr=subprocess.PIPE)
    if done.returncode:
        raise SystemExit("error: gnuplot: " + done.stderr.strip())


# --- all of it

def git(*args):
    done = subprocess.run(["git", "-C", ROOT, *args], text=True, check=False,
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    return done.stdout.strip()


def what_it_was():
    """Commit and Xen, for whoever reads the results later."""
    commit = git("rev-parse", "--short=12", "HEAD") or "unknown"
    if git("status", "--porcelain"):
        commit += " and changes"
    return {"commit": commit, "date": time.strftime("%Y-%m-%d", time.gmtime())}


def in_name(linux):
    """A kernel as part of the name of a file."""
    return linux.strip("/").replace("/", "-")


def keep(run, facts):
    """For the documentation: a run takes long, and may be of one kernel."""
    for linux, results in run.items():
        if results["quick"] or len(results["guests"]) < len(ALL_GUESTS):
            continue
        with open(os.path.join(OUT, f"full-{in_name(linux)}.json"), "w",
                  encoding="utf-8") as file:
            json.dump({**facts, "linux": linux, "results": results}, file,
                      indent=1)


def heard_versions(label):
    """The kernel and Xen of a boot, from their own first lines."""
    said = {}
    for name, log, pattern in \
            ("kernel", "dom0", r"Linux version (\S+)"), \
            ("xen", "xen", r"Xen version (\S+)"):
        try:
            with open(os.path.join(BUILD, "log", label, log + ".log"),
                      encoding="utf-8") as file:
                match = re.search(pattern, file.read())
        except OSError:
            match = None
        said[name] = match[1] if match else "unknown"
    return said


def measure(screen, number, images, guests, quick):
    """One run: {linux: results}, and what went wrong."""
    run, trouble = {}, []
    for linux, (files, by_driver) in images.items():
        results = run[linux] = {"guests": guests, "quick": quick,
                                "rounds": 1 if quick else 2}

        def note(kind, guest, found, results=results):
            results.setdefault(kind, {}).setdefault(guest, {}).update(found)
        for driver in DRIVERS:
            label = f"bench/{number}-{in_name(linux)}-{driver}"
            boot = Boot(screen, linux, driver, label)
            rounds = results["rounds"]
            boot.run(by_driver[driver], files, boot.parts(guests, quick), note,
                     icount=True, job=f"ROUNDS={rounds}",
                     hvm="hvm" in guests)
            results.update(heard_versions(label))
            wrong = boot.trouble
            if "pvh" in guests and not quick:
                wrong += on_the_wall(screen, linux, driver, by_driver[driver],
                                     files, label + "-wall", note)
            trouble += [f"{linux} {NAMES[driver]}: {text}" for text in wrong]
    return run, trouble


def on_the_wall(screen, linux, driver, image, files, label, note):
    """The moves of a PVH guest by the host's clock, and once the floor; what
    went wrong."""
    parts = [("wall", "pvh", "wall")]
    if driver == "new":
        parts.append(("floor", "pvh", "floor"))
    for _ in range(WALL_TRIES):
        boot = Boot(screen, linux, driver, label)
        boot.run(image, files, parts,
                 lambda kind, guest, found: note(driver, kind, found)
                 if kind == "wall" else
                 note("floor on the wall", guest, found), multi=True)
        if not boot.trouble:
            break
    return boot.trouble


def build(kernels):
    images = {}
    for linux in kernels:
        # the last build leaves the tree that the module is built against
        by_driver = {driver: xenhost.run_script(
            "build-kernel", LINUX=linux, DRIVER=driver) for driver in DRIVERS}
        modules = [xenhost.run_script("build-module", MODULE=name, LINUX=linux)
                   for name in MODULES]
        # what somebody edits meanwhile is not what is being measured
        where = os.path.join(OUT, "images", in_name(linux))
        os.makedirs(where, exist_ok=True)
        images[linux] = (
            [shutil.copy(module, where) for module in modules],
            {driver: shutil.copy(image, os.path.join(where, driver))
             for driver, image in by_driver.items()})
    return images


def unwanted(run):
    """What of a run is not as it should be."""
    rows = rows_of(run)
    yield from defects(run)
    for row in rows:
        if not row.whole():
            yield f"no figure: {row.linux} {row.guest} {row.move}"
        elif not row.holds():
            yield f"not what is wanted: {row.linux} {row.guest} {row.move}"
    for linux, guest, share in shares(run):
        if share < HUGE_SHARE:
            yield (f"not what is wanted: {linux} {guest}: {100 * share:.1f} % "
                   "in 2 MiB")
    for *names, ours, most in count_rows(run):
        if most is not None and (ours is None or ours > most):
            yield "not what is wanted: " + " ".join(names[:4])


def measure_all():
    began = time.monotonic()
    kernels = os.environ["KERNELS"].split()
    guests = os.environ["GUEST"].split()
    quick = os.environ.get("QUICK", "0") == "1"
    os.makedirs(OUT, exist_ok=True)
    for name in "results.json", "table.txt", "times.svg":
        try:
            os.unlink(os.path.join(OUT, name))
        except FileNotFoundError:
            pass
    screen = Screen()
    facts = what_it_was()
    images = build(kernels)
    runs, trouble = [], []
    for number in range(1, int(os.environ.get("RUNS", "1")) + 1):
        run, wrong = measure(screen, number, images, guests, quick)
        runs.append(run)
        trouble += wrong
    screen.clear()

    run = runs[0]
    keep(run, facts)
    rows = rows_of(run)
    lines = tables(run)
    if len(runs) > 1:
        # of boots, holes, idle and HVM guests, in which no two runs are alike
        loose, elsewhere = apart(*runs, held=False)
        worst, where = apart(*runs, held=True)
        lines.append(f"two runs agree within {worst * 100:.2f} % ({where})")
        if loose:
            lines.append("and in what is not held to a floor within "
                         f"{loose * 100:.2f} % ({elsewhere})")
        if worst > AGREE:
            trouble.append(f"two runs differ by {worst * 100:.1f} %: {where}")
    with open(os.path.join(OUT, "table.txt"), "w", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")
    with open(os.path.join(OUT, "results.json"), "w",
              encoding="utf-8") as file:
        json.dump({**facts, "runs": runs}, file, indent=1)
        file.write("\n")
    picture(rows, f"768 MiB of a 1 GiB guest, commit {facts['commit']}",
            os.path.join(OUT, "times.svg"))

    print("\n" + "\n".join(lines) + "\n")
    for run in runs:
        trouble += unwanted(run)
    for text in trouble[:20]:
        print(f"wrong: {text[:200]}")
    took = time.monotonic() - began
    where = os.path.relpath(OUT, os.getcwd())
    print(f"{where}/: results.json, table.txt, times.svg, consoles/;"
          f" {took // 60:.0f} min {took % 60:.0f} s in all")
    return 1 if trouble else 0


# --- the documentation

PAGE = os.path.join(ROOT, "Documentation", "admin-guide",
                    "xen-balloon-performance.rst")
BEGIN = ".. what follows is written by make bench-document\n"
END = ".. end of what is written by make bench-document\n"


def document():
    """Put what the last runs found between two lines of the page."""
    kept = []
    for path in sorted(glob.glob(os.path.join(OUT, "full-*.json"))):
        with open(path, encoding="utf-8") as file:
            kept.append(json.load(file))
    if not kept:
        raise SystemExit("error: there are no results: make bench first")
    with open(PAGE, encoding="utf-8") as file:
        before, _, rest = file.read().partition(BEGIN)
        after = rest.partition(END)[2]
    run = {entry["linux"]: entry["results"] for entry in kept}
    told = "\n".join(f"Linux {entry['results']['kernel']}, Xen "
                     f"{entry['results']['xen']}, measured on {entry['date']}"
                     f" with commit {entry['commit']}." for entry in kept)
    text = "\n".join(f"    {line}".rstrip() for line in tables(run))
    with open(PAGE, "w", encoding="utf-8") as file:
        file.write(f"{before}{BEGIN}\n{told}\n\n::\n\n{text}\n\n"
                   f"{END}{after}")
    print(os.path.relpath(PAGE, os.getcwd()))
    return 0


if __name__ == "__main__":
    xenhost.main({"run": measure_all, "document": document}[sys.argv[1]])
