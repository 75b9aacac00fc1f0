"""Looks a name up and reads what its port 9000 sends, at a limited rate. Arguments: name, bytes a second."""

import socket
import sys
import time

name, rate = sys.argv[1], int(sys.argv[2])
connection = socket.socket()
connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 << 10)
connection.connect((socket.gethostbyname(name), 9000))
began, got = time.monotonic(), 0
while piece := connection.recv(16 << 10):
    got += len(piece)
    time.sleep(max(0, began + got / rate - time.monotonic()))
print(got)
