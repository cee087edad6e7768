"""An editor's side of the Language Server Protocol, as far as YAML needs it: open a text, wait for its diagnostics, ask."""
import json
import pathlib
import subprocess
import threading

SETTINGS = {
    "yaml": {"validate": True, "completion": True, "hover": True, "yamlVersion": "1.2", "schemaStore": {"enable": False}},
    "http": {"proxy": "", "proxyStrictSSL": False},
}
WAIT = 60  # seconds that an answer may take on a loaded machine


class Editor:
    def __init__(self, server, root):
        self.process = subprocess.Popen(["node", str(server), "--stdio"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.DEVNULL)
        self.answers, self.diagnostics, self.last = {}, {}, 0
        self.arrived = threading.Condition()
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()
        self.ask("initialize", {
            "processId": None, "rootUri": pathlib.Path(root).as_uri(), "workspaceFolders": None,
            "capabilities": {"textDocument": {"publishDiagnostics": {}, "completion": {}, "hover": {}},
                             "workspace": {"configuration": True, "didChangeConfiguration": {}}}})
        self._tell("initialized", {})
        self._tell("workspace/didChangeConfiguration", {"settings": SETTINGS})

    def close(self):
        self.ask("shutdown", None)
        self._tell("exit", None)
        self.process.stdin.close()
        self.process.wait(WAIT)
        self.reader.join(WAIT)
        self.process.stdout.close()

    def open(self, uri, text):
        """The diagnostics of a text that is opened under this name."""
        with self.arrived:
            self.diagnostics.pop(uri, None)
        self._tell("textDocument/didOpen", {"textDocument": {"uri": uri, "languageId": "yaml", "version": 1, "text": text}})
        with self.arrived:
            assert self.arrived.wait_for(lambda: uri in self.diagnostics, WAIT), f"no diagnostics of {uri}"
            return self.diagnostics[uri]

    def shut(self, uri):
        self._tell("textDocument/didClose", {"textDocument": {"uri": uri}})

    def ask(self, method, params):
        self.last += 1
        number = self.last
        self._send({"jsonrpc": "2.0", "id": number, "method": method, "params": params})
        with self.arrived:
            assert self.arrived.wait_for(lambda: number in self.answers, WAIT), f"no answer to {method}"
            answer = self.answers.pop(number)
        assert "error" not in answer, answer
        return answer.get("result")

    def at(self, method, uri, line, column):
        return self.ask(method, {"textDocument": {"uri": uri}, "position": {"line": line, "character": column}})

    def _tell(self, method, params):
        self._send({"jsonrpc": "2.0", "method": method, "params": params})

    def _send(self, message):
        body = json.dumps(message).encode()
        self.process.stdin.write(b"Content-Length: %d\r\n\r\n" % len(body) + body)
        self.process.stdin.flush()

    def _read(self):
        stream = self.process.stdout
        while True:
            size = 0
            while (line := stream.readline()).strip():
                if line.lower().startswith(b"content-length:"):
                    size = int(line.split(b":")[1])
            if not line:
                return
            self._take(json.loads(stream.read(size)))

    def _take(self, message):
        if message.get("method") == "workspace/configuration":
            found = [SETTINGS.get((item.get("section") or "").split(".")[0]) for item in message["params"]["items"]]
            self._send({"jsonrpc": "2.0", "id": message["id"], "result": found})
        elif "method" in message and "id" in message:
            self._send({"jsonrpc": "2.0", "id": message["id"], "result": None})
        with self.arrived:
            if message.get("method") == "textDocument/publishDiagnostics":
                self.diagnostics[message["params"]["uri"]] = message["params"]["diagnostics"]
            elif "id" in message and "method" not in message:
                self.answers[message["id"]] = message
            self.arrived.notify_all()
