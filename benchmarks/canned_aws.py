"""AWS as two canned answers, SQS's and Secrets Manager's, in a process of its own; prints its address and stays."""

import hashlib
import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Canned(BaseHTTPRequestHandler):
    """Answers at once and keeps the connection, as AWS does."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.headers.get("X-Amz-Target", "").startswith("secretsmanager"):
            answer = {"Name": "token", "SecretString": json.dumps({"token": "a-token"})}
        else:
            # boto3 compares the digest with its own.
            sent = json.loads(body)["MessageBody"]
            answer = {"MessageId": "m-1", "MD5OfMessageBody": hashlib.md5(sent.encode()).hexdigest()}
        content = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/x-amz-json-1.0")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing: standard output carries the address only."""


if __name__ == "__main__":
    with ThreadingHTTPServer(("127.0.0.1", 0), Canned) as server:
        print(f"http://127.0.0.1:{server.server_port}", flush=True)
        server.serve_forever()
