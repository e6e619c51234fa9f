#!/usr/bin/env bash
# A streamed tool call that is cut off, at max_tokens or because the stream was closed, is handed out as a
# whole one: its input is what could be read of the half JSON, as an ordinary dict. A number that was cut
# is another number (120 becomes 1). A stream that was closed before message_stop is no error either: the
# final message has no stop_reason, and the count of output tokens that message_start had.
# Shown on: anthropic 2.12.0. Loopback only, valid input only. Exits non-zero when the behaviour is another.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
"${PYTHON:-python3}" -m venv v
v/bin/python -m pip install -q --disable-pip-version-check anthropic==2.12.0
cat > run.py <<'PY'
import importlib.metadata as md, json, threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
import anthropic

print("anthropic", md.version("anthropic"))
USAGE = {"input_tokens": 9, "output_tokens": 1}
BEGIN = [
    ("message_start", {"message": {"id": "msg_1", "type": "message", "role": "assistant", "model": "m",
                                   "content": [], "stop_reason": None, "stop_sequence": None, "usage": USAGE}}),
    ("content_block_start", {"index": 0, "content_block": {"type": "tool_use", "id": "t1", "name": "pay", "input": {}}}),
    ("content_block_delta", {"index": 0, "delta": {"type": "input_json_delta", "partial_json": '{"to": "ann", "amount": 1'}}),
]


def stop(reason):
    return [
        ("content_block_stop", {"index": 0}),
        ("message_delta", {"delta": {"stop_reason": reason, "stop_sequence": None}, "usage": {"output_tokens": 20}}),
        ("message_stop", {}),
    ]


REST = [("content_block_delta", {"index": 0, "delta": {"type": "input_json_delta", "partial_json": '20, "note": "rent"}'}})]
WHAT = {"whole": BEGIN + REST + stop("tool_use"), "at its limit": BEGIN + stop("max_tokens"), "closed": BEGIN}


class Model(BaseHTTPRequestHandler):
    def do_POST(self):
        which = json.loads(self.rfile.read(int(self.headers["content-length"])))["messages"][0]["content"]
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.end_headers()
        for name, data in WHAT[which]:
            self.wfile.write(f"event: {name}\ndata: {json.dumps({'type': name, **data})}\n\n".encode())

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Model)
threading.Thread(target=server.serve_forever, daemon=True).start()
client = anthropic.Anthropic(api_key="k", base_url=f"http://127.0.0.1:{server.server_port}", max_retries=0)
found = {}
for which in WHAT:
    with client.messages.stream(model="m", max_tokens=20, messages=[{"role": "user", "content": which}]) as stream:
        message = stream.get_final_message()
    found[which] = (message.content[0].input, message.stop_reason, message.usage.output_tokens)
    print(f"{which}: input {found[which][0]}, stop_reason {found[which][1]}, output_tokens {found[which][2]}")
assert found["whole"] == ({"to": "ann", "amount": 120, "note": "rent"}, "tool_use", 20)
assert found["at its limit"] == ({"to": "ann", "amount": 1}, "max_tokens", 20)
assert found["closed"] == ({"to": "ann", "amount": 1}, None, 1)
print("as recorded")
PY
v/bin/python run.py
