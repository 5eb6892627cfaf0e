"""A terminal that answers when it is asked what it can do: runs a program in a pseudo-terminal.

    python3 answering_terminal.py OUTPUT REPLY PROGRAM [ARGUMENT]...

REPLY is sent, with \\e for escape, once the program has asked (ESC [ c). All that the program writes goes to
the file OUTPUT.
"""
import os
import pty
import select
import sys
import time

output, reply, words = sys.argv[1], sys.argv[2].replace("\\e", "\033").encode(), sys.argv[3:]
pid, terminal = pty.fork()
if pid == 0:
    os.execvp(words[0], words)
written, answered, end = b"", False, time.time() + 20
while time.time() < end:
    if not select.select([terminal], [], [], 0.2)[0]:
        continue
    try:
        piece = os.read(terminal, 65536)
    except OSError:  # the program has ended
        break
    written += piece
    if reply and not answered and b"\033[c" in written:
        os.write(terminal, reply)
        answered = True
os.waitpid(pid, 0)
with open(output, "wb") as f:
    f.write(written)
