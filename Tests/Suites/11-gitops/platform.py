"""A small stand-in for the comment APIs of GitHub, GitLab and Azure DevOps: keeps comments in memory, on a port of the
kernel's choosing, which it prints. GET /state tells everything that it has, and how often it was written to."""
import json
import re
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

# A comment of somebody else that looks like ours must be left alone.
FORGED = "<!-- flowforge-plan -->\nthis is not the plan"
# Users of Azure DevOps: the job, and somebody else.
BUILD, MALLORY = "6f1d0c52-0f3e-4d2a-9a53-2b7c7c1f5e01", "6f1d0c52-0f3e-4d2a-9a53-2b7c7c1f5e99"
comments = {"github": [], "gitlab": [], "azure": []}
writes = []
for number in range(1, 131):
    text = FORGED if number == 7 else f"comment {number}"
    comments["github"].append({"id": number, "user": {"login": "mallory"}, "body": text})
    comments["gitlab"].append({"id": number, "author": {"id": 99}, "body": text})
    thread = [{"id": 1, "author": {"id": MALLORY}, "content": text}]
    comments["azure"].append({"id": number, "comments": thread, "isDeleted": False})


class Platform(BaseHTTPRequestHandler):
    def log_message(self, *arguments):
        pass

    def answer(self, status, value):
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def handle_any(self):
        parts = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        length = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(length)) if length else {}
        if self.command != "GET":
            writes.append(f"{self.command} {parts.path}")
        bearer, private = self.headers.get("Authorization"), self.headers.get("PRIVATE-TOKEN")
        page = slice((int(query.get("page", 1)) - 1) * 100, int(query.get("page", 1)) * 100)
        place = f"{self.command} {parts.path}"
        if place == "GET /state":
            return self.answer(200, {"comments": comments, "writes": writes})
        # GitHub: repos/{owner}/{repo}/issues
        if re.fullmatch(r"(GET|POST) /repos/acme/shop/issues/42/comments", place):
            if bearer != "Bearer gh-token":
                return self.answer(401, {})
            if self.command == "GET":
                return self.answer(200, comments["github"][page])
            made = {"id": 1000 + len(comments["github"]), "user": {"login": "github-actions[bot]"}, "body": body["body"]}
            comments["github"].append(made)
            return self.answer(201, made)
        if found := re.fullmatch(r"PATCH /repos/acme/shop/issues/comments/(\d+)", place):
            one = next(c for c in comments["github"] if c["id"] == int(found[1]))
            one["body"] = body["body"]
            return self.answer(200, one)
        # GitLab
        if place == "GET /api/v4/user":
            return self.answer(200 if private == "gl-token" else 401, {"id": 5})
        notes = "/api/v4/projects/7/merge_requests/42/notes"
        if place in (f"GET {notes}", f"POST {notes}"):
            if self.command == "GET":
                return self.answer(200, comments["gitlab"][page])
            made = {"id": 1000 + len(comments["gitlab"]), "author": {"id": 5}, "body": body["body"]}
            comments["gitlab"].append(made)
            return self.answer(201, made)
        if found := re.fullmatch(rf"PUT {notes}/(\d+)", place):
            one = next(c for c in comments["gitlab"] if c["id"] == int(found[1]))
            one["body"] = body["body"]
            return self.answer(200, one)
        # Azure DevOps
        if place == "GET /acme/_apis/connectionData":
            if query.get("api-version") != "7.1-preview":
                return self.answer(400, {"message": "The -preview flag must be supplied"})
            return self.answer(200, {"authenticatedUser": {"id": BUILD if bearer == "Bearer az-token" else MALLORY}})
        threads = "/acme/My%20Shop/_apis/git/repositories/repo-1/pullRequests/42/threads"
        if query.get("api-version") == "7.1" and bearer == "Bearer az-token":
            if place == f"GET {threads}":
                return self.answer(200, {"count": len(comments["azure"]), "value": comments["azure"]})
            if place == f"POST {threads}":
                made = {"id": 2000 + len(comments["azure"]), "isDeleted": False, "status": body["status"],
                        "comments": [{"id": 1, "author": {"id": BUILD}, "content": body["comments"][0]["content"]}]}
                comments["azure"].append(made)
                return self.answer(200, made)
            if found := re.fullmatch(rf"PATCH {re.escape(threads)}/(\d+)/comments/(\d+)", place):
                one = next(t for t in comments["azure"] if t["id"] == int(found[1]))
                one["comments"][int(found[2]) - 1]["content"] = body["content"]
                return self.answer(200, one)
        return self.answer(404, {"path": place})

    do_GET = do_POST = do_PUT = do_PATCH = handle_any


server = ThreadingHTTPServer(("127.0.0.1", 0), Platform)
with open(sys.argv[1], "w") as file:
    file.write(str(server.server_port))
server.serve_forever()
