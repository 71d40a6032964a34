#!/usr/bin/env python3
"""Stands between an agent and the control plane and keeps what they say to each other, decrypted.

    recorder.py UPSTREAM_PORT SERVER_CERT SERVER_KEY CA IDENTITY_FOLDER RECORD_FILE

It can because the test owns both ends' keys: it answers with the control plane's certificate and dials on
with the agent's. Prints its port; ends when its standard input does.
"""

import pathlib
import socket
import ssl
import sys
import threading

upstream, certificate, key, authority, identities, record = sys.argv[1:7]
taken = open(record, "ab", buffering=0)
lock = threading.Lock()


def copy(source, target):
    try:
        while chunk := source.recv(65536):
            with lock:
                taken.write(chunk)
            target.sendall(chunk)
    except (OSError, ssl.SSLError):
        pass
    finally:
        for end in (source, target):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


def serve(connection):
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(certificate, key)
    server.load_verify_locations(authority)
    server.verify_mode = ssl.CERT_OPTIONAL
    newest = max(pathlib.Path(identities).rglob("agent.key"), key=lambda path: path.stat().st_mtime)
    client = ssl.create_default_context(cafile=authority)
    client.load_cert_chain(newest.with_name("agent.pem"), newest)
    try:
        near = server.wrap_socket(connection, server_side=True)
        far = client.wrap_socket(socket.create_connection(("127.0.0.1", int(upstream))), server_hostname="127.0.0.1")
    except (OSError, ssl.SSLError) as error:
        print(f"recorder: {error}", file=sys.stderr)
        connection.close()
        return
    threading.Thread(target=copy, args=(near, far), daemon=True).start()
    copy(far, near)


listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)


def accept():
    while True:
        threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()


threading.Thread(target=accept, daemon=True).start()
sys.stdin.read()
