"""Serves the files of a folder over HTTP on a free port of 127.0.0.1, whose number it writes to a file: for tests.

usage: range_server.py FOLDER PORT_FILE

GET /cut/NAME breaks off after half of NAME the first time; ranges ("Range: bytes=N-") are honoured and noted in
FOLDER/ranges.
"""
import http.server
import os
import sys

folder, port_file = sys.argv[1:]
cut = set()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.0"

    def do_GET(self):
        name = os.path.basename(self.path)
        path = os.path.join(folder, name)
        if not os.path.isfile(path):
            return self.send_error(404)
        with open(path, "rb") as file:
            data = file.read()
        asked = self.headers.get("Range")
        first = int(asked[len("bytes="):].split("-")[0]) if asked else 0
        if asked:
            with open(os.path.join(folder, "ranges"), "a") as log:
                log.write(asked + "\n")
        rest = data[first:]
        self.send_response(206 if asked else 200)
        self.send_header("Content-Length", str(len(rest)))
        if asked:
            self.send_header("Content-Range", f"bytes {first}-{len(data) - 1}/{len(data)}")
        self.end_headers()
        if self.path.startswith("/cut/") and name not in cut:
            cut.add(name)
            rest = rest[:len(rest) // 2]
        self.wfile.write(rest)

    def log_message(self, *words):
        pass


server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
with open(port_file + ".new", "w") as file:
    file.write(str(server.server_address[1]))
os.rename(port_file + ".new", port_file)
server.serve_forever()
