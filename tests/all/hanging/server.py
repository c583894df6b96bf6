"""A file system that hangs: it is mounted, and answers no call.

Run as `python3 server.py DIRECTORY [look]`; it is mounted once it has said `mounted`. With `look` it
first says what the directory is, as a network's that is remembered for a while, and hangs then.
"""

import ctypes
import errno
import os
import signal
import stat
import struct
import sys

# From <linux/fuse.h>.
GETATTR, INIT, STATX = 3, 26, 52
NEW = struct.pack("=IIIIHHI", 7, 31, 0, 0, 12, 10, 4096) + bytes(40)
AN_HOUR = 3600
DIRECTORY = struct.pack("=6Q10I", 1, 0, 0, 0, 0, 0, 0, 0, 0, stat.S_IFDIR | 0o755, 2, 0, 0, 0, 4096, 0)

directory, look = sys.argv[1], "look" in sys.argv[2:]
device = os.open("/dev/fuse", os.O_RDWR)
options = f"fd={device},rootmode=40000,user_id=0,group_id=0,allow_other"
libc = ctypes.CDLL(None, use_errno=True)
if libc.mount(b"hanging", directory.encode(), b"fuse", 0, options.encode()):
    sys.exit(f"cannot mount: {os.strerror(ctypes.get_errno())}")
print("mounted", flush=True)
while look:
    request = os.read(device, 1 << 17)
    _, call, unique = struct.unpack_from("=IIQ", request)
    error, body = errno.ENOSYS, b""
    if call == INIT:
        error, body = 0, NEW
    elif call == GETATTR:
        error, body, look = 0, struct.pack("=QII", AN_HOUR, 0, 0) + DIRECTORY, False
    os.write(device, struct.pack("=IiQ", 16 + len(body), -error, unique) + body)
# A call that was not even read can still be killed with the program that made it.
while True:
    signal.pause()
