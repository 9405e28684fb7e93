#!/usr/bin/env python3
"""Relays Ethernet frames between two interfaces and keeps each for a while, in order. Test support.

delay-frames.py ONE OTHER DELAY_MS JITTER_MS; says `relaying` when it does, ends with its standard input.
"""
import collections
import random
import select
import socket
import struct
import sys
import time

ETH_P_ALL = 3
SOL_PACKET = 263
PACKET_ADD_MEMBERSHIP = 1
PACKET_MR_PROMISC = 1
PACKET_VNET_HDR = 15
PACKET_IGNORE_OUTGOING = 23
FRAME_BYTES_MAX = 70000


def open_interface(name: str) -> socket.socket:
    link = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
    # With its header a frame that the kernel has yet to split or to checksum passes as it is.
    link.setsockopt(SOL_PACKET, PACKET_VNET_HDR, 1)
    link.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)
    link.bind((name, 0))
    index = socket.if_nametoindex(name)
    link.setsockopt(SOL_PACKET, PACKET_ADD_MEMBERSHIP, struct.pack("IHH8s", index, PACKET_MR_PROMISC, 0, b""))
    link.setblocking(False)
    return link


def main() -> None:
    one, other = open_interface(sys.argv[1]), open_interface(sys.argv[2])
    delay, jitter = float(sys.argv[3]) / 1000, float(sys.argv[4]) / 1000
    far = {one: other, other: one}
    # Frames by the moment they are due; each is due after the one before it.
    waiting = {one: collections.deque(), other: collections.deque()}
    print("relaying", flush=True)
    while True:
        due = [queue[0][0] for queue in waiting.values() if queue]
        limit = max(0.0, min(due) - time.monotonic()) if due else None
        readable, _, _ = select.select([one, other, sys.stdin], [], [], limit)
        if sys.stdin in readable:
            return
        for link in readable:
            frame = link.recv(FRAME_BYTES_MAX)
            queue = waiting[far[link]]
            at = time.monotonic() + delay + random.random() * jitter
            queue.append((max(at, queue[-1][0]) if queue else at, frame))
        now = time.monotonic()
        for link, queue in waiting.items():
            while queue and queue[0][0] <= now:
                try:
                    link.send(queue.popleft()[1])
                except OSError:
                    pass  # The far end is down: a frame is lost, as on any Ethernet.


main()
