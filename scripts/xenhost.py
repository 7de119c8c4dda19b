# SPDX-License-Identifier: GPL-2.0
"""A machine that runs Xen, dom0 and guests under QEMU, and what it says.

Xen and the kernel of dom0 share the first serial port: Xen's messages are
whole lines that begin with "(XEN) ", which is enough to take them apart.
The second port carries the lines of dom0's scripts (see payload/dom0-init).
Every console goes to a file of its own.
"""

import fcntl
import json
import os
import re
import selectors
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BUILD = os.path.join(ROOT, "build")
SCRIPTS = os.path.join(ROOT, "scripts")

# the defaults of scripts/lib.sh
os.environ.setdefault("LINUX", "6.12")
os.environ.setdefault("DRIVER", "new" if os.path.exists(
    os.path.join(SCRIPTS, "overlay")) else "upstream")
os.environ.setdefault("FLAVOUR", "release")

# What no kernel may say, whatever a scenario's checks found.
REPORTS = re.compile(
    r"Kernel panic|Oops[: ]|BUG: |kernel BUG at|WARNING: |general protection"
    r"|KASAN: |possible (circular|recursive) locking|suspicious RCU|"
    r"sleeping function called|Out of memory: Kill|oom-kill:|"
    r"blocked for more than|soft lockup|rcu: INFO|Unable to handle|"
    r"Bad page state|list_(add|del) corruption|page allocation failure")
XEN_REPORTS = re.compile(
    r"Xen BUG|Triple fault|Panic on CPU|FATAL|Assertion|domain_crash|"
    r"Domain \d+ (\(vcpu#\d+\) |reported )?crashed|out of PoD memory|"
    r"Watchdog timer")

# What dom0 or Xen say when they do nothing more, and what is said of a guest
# that is dead; who waits for one of them then waits in vain.
MACHINE_DIED = {
    "dom0": re.compile(r"Kernel panic"),
    "xen": re.compile(r"Hardware Dom\d+ crashed|Panic on CPU|'noreboot' set"),
}
GUEST_DIED = {
    "guest": re.compile(r"Kernel panic"),
    "xen": re.compile(
        r"Triple fault|Domain \d+ (\(vcpu#\d+\) |reported )?crashed"),
}
LAST_WORDS = 5          # seconds for the rest of what is said at a death
# Wall seconds in which a machine that runs says something: dom0-init does every
# 10 s of its own, which a busy host with nested guests needs 100 s for.
SILENCE = 300
DEAF = 60               # the same after a request, whose answer comes at once


def guest_variant(variant, guest):
    """The variant of the kernel that such a guest boots where dom0's has this
    one: scripts/config/kasan.config says which have KASAN."""
    if os.environ["FLAVOUR"] != "debug" or guest != "pvh":
        return variant
    return "kasan" if variant == "default" else variant + "-kasan"


class Lost(Exception):
    """The machine is gone or says nothing more."""


class Killed(Lost):
    """Somebody killed QEMU; where memory is short, the host's kernel."""


class Silent(Lost):
    """The machine is there and says nothing at all, not even that it lives."""


def run_job(*command, stdout=None, **env):
    """Its status, and what it prints where that is asked for."""
    with subprocess.Popen(command, text=True, stdout=stdout,
                          env=dict(os.environ, **env)) as job:
        try:
            out = job.communicate()[0]
        except KeyboardInterrupt:
            # it ends its own jobs, and takes the time that this needs
            job.terminate()
            job.wait()
            raise
    return job.returncode, out


def run_script(name, **env):
    """What one of our scripts prints; its messages pass through."""
    status, out = run_job(os.path.join(SCRIPTS, name), stdout=subprocess.PIPE,
                          **env)
    if status:
        raise SystemExit(status)
    return out.strip().splitlines()[-1]


def cpio(directory, out):
    """Append DIRECTORY to the initramfs OUT."""
    names = subprocess.run(["find", "."], cwd=directory, check=True,
                           stdout=subprocess.PIPE).stdout
    with open(out, "ab") as file:
        subprocess.run(["cpio", "-o", "-H", "newc", "--quiet", "-R", "0:0"],
                       cwd=directory, input=names, stdout=file, check=True)


def want_icount():
    """Whether time is to count instructions; None: where KVM does not work.
    Then a time means the same on every machine, waiting costs nothing, and a
    busy machine changes nothing: without it, the busier the machine, the more
    ticks a guest gets for what it does, and QEMU 7.2 loses nested guests."""
    return {"0": False, "1": True}.get(os.environ.get("ICOUNT", ""))


def kvm_works(image, initrd):
    """Whether KVM really runs a guest, and guests of that guest."""
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return False
    known = os.path.join(BUILD, "kvm-probe")
    try:
        with open(known, encoding="ascii") as file:
            return file.read() == "yes"
    except OSError:
        pass
    nested = False
    for module in "kvm_amd", "kvm_intel":
        try:
            with open(f"/sys/module/{module}/parameters/nested",
                      encoding="ascii") as file:
                nested = file.read().strip() in ("1", "Y")
        except OSError:
            pass
    works = False
    if nested:
        try:
            probe = subprocess.run(
                ["qemu-system-x86_64", "-accel", "kvm", "-cpu", "host", "-m",
                 "256", "-nographic", "-no-reboot", "-net", "none",
                 "-kernel", image, "-initrd", initrd,
                 "-append", "console=ttyS0"],
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL, timeout=20, check=False)
            works = b"bare: end" in probe.stdout
        except subprocess.TimeoutExpired:
            works = False
    with open(known, "w", encoding="ascii") as file:
        file.write("yes" if works else "no")
    return works


class Lines:
    """Bytes in, whole lines out."""

    def __init__(self, sock):
        self.sock = sock
        self.rest = ""

    def read(self):
        data = self.sock.recv(65536)
        if not data:
            raise Lost("QEMU ended")
        self.rest += data.decode("utf-8", "replace").replace("\r", "")


class Machine:
    """One boot.  on_line(kind, text) gets every line that is said:
    kind is "xen", "dom0", "guest" or one of the letters of dom0-init.
    Guests boot guest_image, or else dom0's.
    Every guest finds guest_files in its /bench.  multi is for measuring on the
    wall: a thread for each CPU, with which QEMU loses more guests."""

    def __init__(self, label, image, *, dom0="pv", icount=None, hvm=False,
                 memory="6G", dom0_memory=1024, job="", shell=False,
                 guest_image=None, guest_files=(), multi=False,
                 on_line=lambda kind, text: None):
        self.dir = os.path.join(BUILD, "log", label)
        os.makedirs(os.path.dirname(self.dir), exist_ok=True)
        self.lock = open(self.dir + ".lock", "w", encoding="ascii")
        try:
            fcntl.flock(self.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SystemExit(f"error: another command in this checkout "
                             f"writes {self.dir}: wait until it has "
                             "ended") from None
        shutil.rmtree(self.dir, ignore_errors=True)
        os.makedirs(self.dir)
        self.on_line = on_line
        self.files = {}
        self.prefix = ""
        self.pending = []       # what dom0 said and nobody has looked at
        self.heard = 0.0        # when something was
        self.asked = 0          # requests
        self.process = None
        self.died = None
        self.sockets = []
        self.tmp = None
        self.image = image
        self.guest_image = guest_image or image
        self.initramfs = run_script("initramfs")
        with open(os.path.join(BUILD, "xen-path"), "w",
                  encoding="utf-8") as file:
            xen = run_script("fetch-xen")
            file.write(xen)
        self.xen = os.path.join(xen, "boot", "xen")
        self.dom0 = dom0
        self.icount = icount
        self.multi = multi
        self.hvm = hvm
        self.memory = memory
        self.dom0_memory = dom0_memory
        self.job = job
        self.shell = shell
        self.guest_files = guest_files
        self.com1 = self.com2 = self.monitor = None

    # --- starting and ending

    def _initrd(self):
        """dom0's initramfs, with this boot's kernel, scenarios and job."""
        initrd = os.path.join(self.tmp, "dom0.cpio")
        top = os.path.join(self.tmp, "top")
        boot = os.path.join(top, "boot")
        os.makedirs(os.path.join(top, "etc"))
        os.makedirs(boot)
        scenarios = os.path.join(SCRIPTS, "scenarios")
        guest = os.path.join(self.tmp, "guest")
        for where in top, guest:
            shutil.copytree(scenarios, os.path.join(where, "scenario"))
        bench = os.path.join(guest, "bench")
        os.makedirs(bench)
        for path in self.guest_files:
            shutil.copy(path, bench)
        shutil.copy(self.guest_image, os.path.join(boot, "kernel"))
        ramdisk = os.path.join(boot, "guest.gz")
        shutil.copy(os.path.join(self.initramfs, "guest.gz"), ramdisk)
        extra = os.path.join(self.tmp, "guest.cpio")
        cpio(guest, extra)
        with open(ramdisk, "ab") as file:
            subprocess.run(["gzip", "-1c", extra], stdout=file, check=True)
        with open(os.path.join(top, "etc", "job"), "w",
                  encoding="utf-8") as file:
            file.write(self.job + "\n")
        shutil.copy(os.path.join(self.initramfs, "dom0.cpio"), initrd)
        if self.hvm:
            with open(os.path.join(self.initramfs, "hvm.cpio"), "rb") as src, \
                    open(initrd, "ab") as out:
                shutil.copyfileobj(src, out)
        cpio(top, initrd)
        shutil.rmtree(top)
        return initrd

    def _command(self, initrd):
        smp = "2"
        guest = os.path.join(self.initramfs, "guest.gz")
        kvm = not self.icount and not self.multi and \
            kvm_works(self.image, guest)
        if kvm:
            accel = ["-accel", "kvm"]
        elif self.multi:
            accel = ["-accel", "tcg,thread=multi"]
        elif self.icount or self.icount is None:
            accel = ["-accel", "tcg,thread=single",
                     "-icount", "shift=1,sleep=off"]
            smp = "1"
        else:
            # One CPU.  When QEMU gives a nested guest an interrupt with VMRUN,
            # it keeps the vector as a pending exception.  If it has to leave
            # that CPU before the guest does, without an interrupt for it, it
            # delivers the vector once more, wherever the guest is and whether
            # interrupts are enabled or not; ahead of an entry's swapgs that
            # is a double or a triple fault.  With one CPU there is nothing to
            # leave it for but its own interrupts, which drop the vector.
            accel = ["-accel", "tcg,thread=single"]
            smp = "1"
        cpu = "host" if kvm else \
            "qemu64,+svm,+npt,+x2apic,+pdpe1gb"
        xen = ("console=com1 com1=115200,8n1 loglvl=all guest_loglvl=all "
               "noreboot bootscrub=0 spec-ctrl=no "
               f"dom0_mem={self.dom0_memory}M,max:{self.dom0_memory}M")
        machine = []
        if self.dom0 == "pvh":
            machine = ["-machine", "q35", "-device", "amd-iommu"]
            xen += " dom0=pvh"
        kernel = "ignore_loglevel CONTROL=ttyS1"
        if self.dom0 == "bare":
            # no Xen: the same kernel and root file system by themselves
            boot = ["-kernel", self.image, "-append",
                    f"console=ttyS0,115200 {kernel}", "-initrd", initrd]
        else:
            boot = ["-kernel", self.xen, "-append", xen, "-initrd",
                    f"{self.image} console=hvc0 {kernel},{initrd}"]
        return ["qemu-system-x86_64", *accel, "-cpu", cpu, "-smp", smp,
                "-m", self.memory, *machine, "-display", "none",
                "-no-reboot", "-net", "none",
                "-qmp", f"unix:{self.tmp}/monitor",
                "-chardev", f"socket,id=com1,path={self.tmp}/com1",
                "-chardev", f"socket,id=com2,path={self.tmp}/com2",
                "-serial", "chardev:com1", "-serial", "chardev:com2", *boot]

    def start(self, limit=600):
        """Boot until dom0 is up."""
        self.tmp = tempfile.mkdtemp(prefix="xenhost-")
        listeners = {}
        for name in "com1", "com2", "monitor":
            sock = socket.socket(socket.AF_UNIX)
            sock.bind(os.path.join(self.tmp, name))
            sock.listen(1)
            sock.settimeout(30)
            listeners[name] = sock
        command = self._command(self._initrd())
        with open(os.path.join(self.dir, "qemu.log"), "w",
                  encoding="utf-8") as log:
            log.write(" ".join(command) + "\n")
            log.flush()
            # a group of its own: Ctrl-C reaches us, and we end it; where
            # we are killed, the kernel does
            self.process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", *command], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True)
        try:
            conns = {name: sock.accept()[0]
                     for name, sock in listeners.items()}
        except socket.timeout as error:
            raise Lost("QEMU did not start; see "
                       f"{self.dir}/qemu.log") from error
        for sock in listeners.values():
            sock.close()
        self.sockets = list(conns.values())
        self.com1 = Lines(conns["com1"])
        self.com2 = Lines(conns["com2"])
        self.monitor = conns["monitor"]
        self.selector = selectors.DefaultSelector()
        self.selector.register(conns["com1"], selectors.EVENT_READ,
                               self._read_com1)
        if self.shell:
            return
        self.selector.register(conns["com2"], selectors.EVENT_READ,
                               self._read_com2)
        self.wait("B", limit, "dom0 comes up")

    def stop(self):
        """End the machine; nothing of it stays."""
        if self.process:
            try:
                os.killpg(self.process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            self.process.wait()
            self.process = None
        for sock in self.sockets:
            sock.close()
        for file in self.files.values():
            file.close()
        self.files = {}
        if self.tmp:
            shutil.rmtree(self.tmp, ignore_errors=True)
        self.lock.close()

    def __enter__(self):
        return self

    def __exit__(self, *args):
        self.stop()

    # --- listening

    def log(self, name, line):
        if name not in self.files:
            self.files[name] = open(os.path.join(self.dir, name + ".log"),
                                    "a", buffering=1, encoding="utf-8")
        self.files[name].write(line + "\n")

    def give_up(self, why):
        """Somebody died: pump() ends the run when the last words are said."""
        if not self.died:
            self.died = (time.monotonic() + LAST_WORDS, why)

    def _console(self, kind, line):
        """A line of Xen or dom0."""
        self.log(kind, line)
        self.on_line(kind, line)
        if MACHINE_DIED[kind].search(line):
            self.give_up(f"{kind} said: {line.strip()}")

    def _read_com1(self):
        self.com1.read()
        text = self.com1.rest
        # Xen's lines may cut a line of dom0 in two: take them out first
        def take(match):
            self._console("xen", match.group(1))
            return ""
        text = re.sub(r"(\(XEN\) [^\n]*)\n", take, text)
        keep = ""
        cut = text.find("(XEN) ")
        if cut >= 0:
            text, keep = text[:cut], text[cut:]
            keep_from = text.rfind("\n") + 1
            text, keep = text[:keep_from], text[keep_from:] + keep
        *lines, rest = text.split("\n")
        self.com1.rest = rest + keep
        for line in lines:
            self._console("dom0", line)

    def _read_com2(self):
        self.com2.read()
        *lines, self.com2.rest = self.com2.rest.split("\n")
        for line in lines:
            kind, _, text = line.partition(" ")
            if kind == "G":
                name, _, text = text.partition(" ")
                self.log(f"{self.prefix}guest-{name}", text)
                self.on_line("guest", text)
            else:
                self.log("control", line)
                self.on_line(kind, text)
                self.pending.append((kind, text))

    def ended(self):
        """What became of QEMU, which has closed its sockets."""
        try:
            status = self.process.wait(60)
        except subprocess.TimeoutExpired:
            status = None
        if status == -signal.SIGKILL:
            return Killed("QEMU was killed, perhaps for lack of memory")
        return Lost("QEMU ended")

    def pump(self, seconds, silence=float("inf")):
        """Hand on what is said within that time.  When nothing was said for
        SILENCE seconds, also since the last request, it stands still."""
        for key, _ in self.selector.select(seconds):
            self.heard = time.monotonic()
            try:
                key.data()
            except (Lost, OSError) as error:
                raise self.ended() from error
        if self.process.poll() is not None:
            raise self.ended()
        if self.died and time.monotonic() > self.died[0]:
            raise Lost(self.died[1])
        if time.monotonic() - self.heard > silence:
            self.autopsy()
            raise Silent(f"not a word for {silence} s")

    def listen(self, kind, seconds, silence=float("inf")):
        """Until dom0 says a line of that kind; returns its text, or None when
        that time is over."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self.pump(min(left, 1), silence)
            while self.pending:
                got, text = self.pending.pop(0)
                if got == kind:
                    return text
        return None

    def wait(self, kind, seconds, what, silence=float("inf")):
        """The same, when it has to come."""
        text = self.listen(kind, seconds, silence)
        if text is None:
            self.autopsy()
            raise Lost(f"waited {seconds} s in vain until {what}")
        return text

    def ask(self, verb, *words):
        """Have dom0 do something.  It says A at once, unless the request was
        lost; it does none twice."""
        self.asked += 1
        self.pending = []
        words = [str(self.asked), verb, *words, "-", "-", "-"][:5]
        request = "\n" + " ".join(words) + " .\n"
        deaf = f"dom0 did not answer to: {verb}"
        for again in range(3):
            if again:
                self.autopsy(xen=False)
                self.on_line("deaf", deaf)
            self.heard = time.monotonic()
            try:
                self.com2.sock.sendall(request.encode())
            except OSError as error:
                raise self.ended() from error
            if self.listen("A", DEAF) is not None:
                return
        self.autopsy()
        raise Silent(deaf)

    def autopsy(self, xen=True):
        """What a machine that says nothing does, for autopsy.log: what QEMU
        knows, then what Xen says to the keys of its console."""
        def ask(what, **arguments):
            self.monitor.sendall(json.dumps(
                {"execute": what, "arguments": arguments}).encode() + b"\n")
            for line in answers:
                answer = json.loads(line)
                if "return" in answer or "error" in answer:
                    return answer.get("return", answer.get("error"))
            raise OSError("QEMU closed its monitor")

        def threads():
            """CPU time of each of QEMU's threads, in hundredths"""
            task = f"/proc/{self.process.pid}/task"
            for tid in sorted(os.listdir(task), key=int):
                with open(f"{task}/{tid}/stat", encoding="utf-8") as file:
                    name, rest = file.read().rsplit(")", 1)
                rest = rest.split()
                self.log("autopsy", f"{name}) {rest[0]} user {rest[11]} "
                         f"system {rest[12]}")

        try:
            self.monitor.settimeout(10)
            answers = self.monitor.makefile("r", encoding="utf-8")
            ask("qmp_capabilities")
            for _ in range(3):
                threads()
                # the last are LSR, IIR and IER of the port that dom0 reads;
                # to look at the first two clears what they tell
                for what in ("info registers", "info pic", "info lapic",
                             "i /1xb 0x2fd", "i /1xb 0x2fa", "i /1xb 0x2f9"):
                    self.log("autopsy", f"{what}: " + str(ask(
                        "human-monitor-command", **{"command-line": what})))
                time.sleep(1)
        except (OSError, ValueError) as error:
            self.log("autopsy", f"QEMU does not answer: {error}")
        if not xen:
            return
        try:
            # Xen listens after three times Ctrl-A
            self.com1.sock.sendall(b"\x01\x01\x01")
            for key in b"hrdeia":
                self.com1.sock.sendall(bytes((key,)))
                end = time.monotonic() + 3
                while time.monotonic() < end:
                    self.pump(1)
        except (OSError, Lost) as error:
            self.log("autopsy", f"and nobody hears: {error}")

    def tail(self, name, lines=6):
        """The last lines of a console."""
        try:
            with open(os.path.join(self.dir, name + ".log"),
                      encoding="utf-8") as file:
                return file.read().splitlines()[-lines:]
        except OSError:
            return []


def end_on_signals():
    """SIGTERM and SIGHUP end us as Ctrl-C does, so that QEMU goes too."""
    def handler(signum, frame):
        raise KeyboardInterrupt
    for signum in signal.SIGTERM, signal.SIGHUP:
        signal.signal(signum, handler)


def main(func):
    """Run FUNC; Ctrl-C is one line and status 130."""
    end_on_signals()
    try:
        sys.exit(func())
    except KeyboardInterrupt:
        print("interrupted; QEMU was ended, the caches are whole",
              file=sys.stderr)
        sys.exit(130)
    except Lost as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)
