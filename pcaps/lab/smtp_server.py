"""A mail server that knows just enough of SMTP for STARTTLS and one message: ADDRESS CERTIFICATE KEY."""

import socket
import ssl
import sys


def main():
    address, certificate, key = sys.argv[1:]
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    listener = socket.create_server((address, 25))
    print("listening", flush=True)
    while True:
        connection, _ = listener.accept()
        connection.settimeout(10)
        try:
            serve(connection, context)
        except OSError as error:
            print(error, flush=True)


def serve(connection, context):
    lines = connection.makefile("rwb", 0)
    lines.write(b"220 smtp.lab.example ESMTP\r\n")
    while (line := lines.readline()):
        word = line.strip().upper()
        if word.startswith(b"EHLO"):
            lines.write(b"250-smtp.lab.example\r\n250 STARTTLS\r\n")
        elif word == b"STARTTLS":
            lines.write(b"220 go ahead\r\n")
            connection = context.wrap_socket(connection, server_side=True)
            lines = connection.makefile("rwb", 0)
        elif word == b"DATA":
            lines.write(b"354 end with a dot\r\n")
            while lines.readline().strip() != b".":
                pass
            lines.write(b"250 taken\r\n")
        elif word == b"QUIT":
            lines.write(b"221 bye\r\n")
            break
        else:
            lines.write(b"250 fine\r\n")
    connection.close()


if __name__ == "__main__":
    main()
