"""One cold start in a fresh process: `python -P cold_start.py HANDLER.py` prints its time in ms to stderr, as JSON.

Then it stays warm: for each number on a line of standard input it answers so many events, and prints the median.

Run as a file, never imported: nothing but what this file itself needs may be loaded before the clock starts.
"""

import time

STARTED = time.perf_counter()

import importlib.util  # noqa: E402
import json  # noqa: E402
import sys  # noqa: E402

EVENT = {
    "version": "2.0",
    "routeKey": "POST /{token}/webhooks/nca-toolkit",
    "rawPath": "/a-token/webhooks/nca-toolkit",
    "rawQueryString": "job_id=recAAAAAAAAAAAAAA&operation=combine",
    "headers": {"content-type": "application/json"},
    "requestContext": {"http": {"method": "POST", "path": "/a-token/webhooks/nca-toolkit"}},
    "pathParameters": {"token": "a-token"},
    "body": json.dumps(
        {
            "endpoint": "/v1/ffmpeg/compose",
            "code": 200,
            "id": "recAAAAAAAAAAAAAA",
            "job_id": "0b1c9c5e-5a35-4d5b-9f0a-1f6b5f6f2a11",
            "response": [{"file_url": "https://store.example/bucket/0b1c9c5e_output_0.mp4"}],
            "message": "success",
            "run_time": 13.5,
        }
    ),
    "isBase64Encoded": False,
}


def main(path: str) -> None:
    spec = importlib.util.spec_from_file_location("app", path)
    assert spec is not None
    assert spec.loader is not None
    app = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(app)
    assert app.handler(EVENT, None)["statusCode"] == 202
    say(time.perf_counter() - STARTED)
    for line in sys.stdin:
        warm = []
        for _ in range(int(line)):
            began = time.perf_counter()
            app.handler(EVENT, None)
            warm.append(time.perf_counter() - began)
        say(sorted(warm)[len(warm) // 2])


def say(seconds: float) -> None:
    print(json.dumps(seconds * 1000), file=sys.stderr, flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
