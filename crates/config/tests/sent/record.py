#!/usr/bin/env python3
"""Records what Alertmanager sends, into sent.json beside this file.

Starts `prometheus-alertmanager` (Debian's) on loopback with alertmanager.yml, posts fixed alerts, and listens. Those
services whose address cannot be set are reached through a proxy, which is this listener, too. The record in use is
that of version 0.25.0. Needs nothing but Python and the certificate of the connectors' tests.
"""
import http.server, json, pathlib, re, socketserver, ssl, subprocess, tempfile, threading, time, urllib.request

HERE = pathlib.Path(__file__).parent
TLS = HERE.parent.parent.parent / "connectors/tests/support/tls"
seen, lock = [], threading.Lock()


class Listener(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_CONNECT(self):
        self.send_response(200)
        self.end_headers()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(TLS / "leaf.pem", TLS / "leaf.key")
        host, self.connection = self.path.split(":")[0], context.wrap_socket(self.connection, server_side=True)
        self.rfile, self.wfile = self.connection.makefile("rb"), self.connection.makefile("wb")
        self.proxied = host
        self.close_connection = False

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("content-length", 0))).decode()
        path = ("//" + self.proxied if hasattr(self, "proxied") else "") + self.path
        headers = {name: self.headers[name] for name in ("content-type", "authorization") if self.headers[name]}
        with lock:
            seen.append({"method": self.command, "path": path, "headers": headers, "body": body})
        answer = b"ok"
        if "telegram" in path:
            answer = b'{"ok":true,"result":{"message_id":1,"date":1,"chat":{"id":1,"type":"group"}}}'
        self.send_response(200)
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)
        self.wfile.flush()

    do_PUT = do_POST

    def log_message(self, *_):
        pass


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True


def alert(name, instance, ends=None):
    labels = {"alertname": name, "instance": instance, "severity": "critical", "team": "db", "note": "<a> & \"b\""}
    annotations = {"summary": "Disk is full", "description": "The disk of " + instance + " is full"}
    made = {"labels": labels, "annotations": annotations, "startsAt": "2026-01-31T12:00:00Z",
            "generatorURL": "https://prometheus.example/graph?g0.expr=disk+%3E+97"}
    return made | ({"endsAt": ends} if ends else {"endsAt": "2099-01-01T00:00:00Z"})


def post(port, alerts):
    request = urllib.request.Request(f"http://127.0.0.1:{port}/api/v2/alerts", json.dumps(alerts).encode(),
                                     {"content-type": "application/json"})
    urllib.request.urlopen(request).read()


def settle(count, quiet=4):
    """Waits until nothing more comes."""
    while True:
        before = len(seen)
        time.sleep(quiet)
        if len(seen) == before and before >= count:
            return


def main():
    server = Server(("127.0.0.1", 0), Listener)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    port = server.server_address[1]
    cases = {}
    with tempfile.TemporaryDirectory() as folder:
        config = pathlib.Path(folder) / "alertmanager.yml"
        config.write_text((HERE / "alertmanager.yml").read_text().replace("PORT", str(port)))
        with socketserver.TCPServer(("127.0.0.1", 0), None) as free:
            own = free.server_address[1]
        command = ["prometheus-alertmanager", f"--config.file={config}", f"--storage.path={folder}/data",
                   f"--web.listen-address=127.0.0.1:{own}", "--cluster.listen-address=",
                   "--web.external-url=https://alerts.example"]
        process = subprocess.Popen(command, stderr=open(f"{folder}/log", "w"))
        try:
            for _ in range(100):
                try:
                    urllib.request.urlopen(f"http://127.0.0.1:{own}/-/ready")
                    break
                except OSError:
                    time.sleep(0.1)
            for case, alerts in [
                ("one", [alert("One", "db1:9100")]),
                ("two", [alert("Two", "db1:9100"), alert("Two", "db2:9100")]),
                ("resolved", [alert("Two", "db1:9100", "2026-01-31T12:30:00Z"),
                              alert("Two", "db2:9100", "2026-01-31T12:30:00Z")]),
            ]:
                seen.clear()
                post(own, alerts)
                settle(16)
                by = lambda it: (it["path"], it["headers"].get("authorization", ""), it["body"])
                cases[case] = sorted(seen, key=by)
        finally:
            process.terminate()
            process.wait()
            print(open(f"{folder}/log").read()[-3000:])
    text = json.dumps(cases, indent=1, sort_keys=True, ensure_ascii=False)
    (HERE / "sent.json").write_text(text.replace(f"127.0.0.1:{port}", "127.0.0.1:PORT") + "\n")


main()
