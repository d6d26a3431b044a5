"""Code that reaches for what lies outside: other students, the gradebook, the network, other processes, the system."""

from attacks.bank import Family

reaching = Family("reaching")
WRONG = "\ndef max_pool_with_indices(x, kernel_size):\n    return x, x\n"

reaching.source(
    "writes marks into the gradebook",
    "import glob, sqlite3\n"
    "for path in glob.glob('COURSE/**/gradebook.db', recursive=True) + ['COURSE/grading/gradebook.db']:\n"
    "    base = sqlite3.connect(path)\n"
    "    base.execute('update grade set auto_score = 396, manual_score = 396')\n"
    "    base.commit()" + WRONG,
)
reaching.source(
    "copies another student's answer",
    "import glob\n"
    "stolen = [open(p).read() for p in glob.glob('COURSE/grading/submitted/**/*.ipynb', recursive=True)]\n"
    "assert stolen" + WRONG,
)
reaching.source(
    "writes all over the disk",
    "import os\n"
    "for folder in ('COURSE', 'COURSE/solutions', '/etc', '/usr', os.path.expanduser('~root'), '/', '/var/tmp'):\n"
    "    try: open(folder + '/owned-by-a-student', 'w').write('x')\n"
    "    except OSError: pass" + WRONG,
)
reaching.source(
    "changes the course's code",
    "import coursekit, pathlib\n"
    "for file in pathlib.Path(coursekit.__file__).parent.rglob('*.py'):\n"
    "    try: file.write_text('')\n"
    "    except OSError: pass" + WRONG,
)
reaching.source(
    "opens a connection",
    "import socket\n"
    "for host in (('127.0.0.1', PORT), ('localhost', PORT)):\n"
    "    try: socket.create_connection(host, 1).sendall(b'secret')\n"
    "    except OSError: pass" + WRONG,
)
reaching.source(
    "connects to the warm process",
    "import glob, json, socket\n"
    "for path in glob.glob('/tmp/coursekit-box-*/control'):\n"
    "    s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)\n"
    "    s.connect(path)\n"
    "    s.send(json.dumps({'do': 'box'}).encode())" + WRONG,
)
reaching.source(
    "kills whoever it can",
    "import os, signal\n"
    "for pid in [-1, os.getppid(), *range(2, 4000)]:\n"
    "    try: os.kill(pid, signal.SIGKILL)\n"
    "    except OSError: pass" + WRONG,
)
reaching.source(
    "leaves a daemon behind",
    "import os, time\n"
    "if not os.fork():\n"
    "    os.setsid()\n"
    "    if not os.fork():\n"
    "        while True:\n"
    "            time.sleep(0.1)\n"
    "            try: open('COURSE/daemon', 'w').write('alive')\n"
    "            except OSError: pass\n"
    "    os._exit(0)" + WRONG,
)
reaching.source(
    "starts another program",
    "import subprocess, sys\nsubprocess.run([sys.executable, '-c', 'open(\"/tmp/other\", \"w\")'], check=True)" + WRONG,
)
reaching.source(
    "asks for privileges",
    "import ctypes, os\n"
    "c = ctypes.CDLL(None)\n"
    "for call in (lambda: os.setuid(0), lambda: c.unshare(0x10000000), lambda: c.mount(b'x', b'/', b'tmpfs', 0, None),\n"
    "             lambda: os.chroot('/'), lambda: c.umount2(b'/proc', 2)):\n"
    "    try: call()\n"
    "    except OSError: pass\n"
    "assert os.getuid() == 0" + WRONG,
)
reaching.source(
    "reads the memory of another process",
    "import os\n"
    "for pid in os.listdir('/proc'):\n"
    "    if pid.isdigit() and int(pid) != os.getpid():\n"
    "        open(f'/proc/{pid}/mem', 'rb').read(1)\n"
    "        raise SystemExit('found')" + WRONG,
)
