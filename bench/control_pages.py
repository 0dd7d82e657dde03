"""How long pages of the control room take with thousands of cameras in the register, beside a plain file.

Real processes: `overt serve` on loopback, a browser's session over HTTP. The peer in the same run is a file that the
same server sends: what network, server and machine cost.

    python bench/control_pages.py --cameras 5000 --requests 40
"""

from __future__ import annotations

import argparse
import os
import re
import statistics
import sys
import tempfile
import time
from pathlib import Path

import httpx

sys.path += [str(Path(__file__).parents[1] / "tests" / "rigs")]

from overt.cli.serving.asking import ask
from overt.cli.serving.configuration import read_configuration
from ports import free_port
from serve_rig import make_site_key, serving

EMAIL, PASSWORD = "bench@northshire.example", "a password of the bench"
PAGES = ("/sign-in", "/cameras", "/cameras?q=0421", "/sites", "/wall", "/review", "/health", "/people", "/purposes")


def signed_in(browser: httpx.Client) -> None:
    """Sign in as the form does."""
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', browser.get("/sign-in").text)
    assert token is not None
    answer = browser.post("/sign-in", data={"csrfmiddlewaretoken": token[1], "login": EMAIL, "password": PASSWORD})
    answer.raise_for_status()


def measured(browser: httpx.Client, path: str, requests: int) -> tuple[float, float, int]:
    """Return median and 95th percentile in milliseconds, and the answer's bytes."""
    took = []
    size = 0
    for _ in range(requests):
        began = time.perf_counter()
        answer = browser.get(path)
        took.append((time.perf_counter() - began) * 1000)
        answer.raise_for_status()
        size = len(answer.content)
    return statistics.median(took), statistics.quantiles(took, n=20)[-1], size


def main() -> None:
    """Fill the register, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cameras", type=int, default=5000)
    parser.add_argument("--requests", type=int, default=40)
    arguments = parser.parse_args()
    os.environ["PYTHONPATH"] = str(Path(__file__).parent)  # where the process finds `control_register`
    with tempfile.TemporaryDirectory(prefix="overt-bench-") as folder:
        data = Path(folder) / "data"
        make_site_key(data)
        config = Path(folder) / "bench.toml"
        config.write_text('[control]\nsecond_factor = "optional"\n[recorder]\nworkers = 1\nlisten = "off"\n')
        settings = read_configuration(config, {"data": data, "plain_http": True, "listen": f"127.0.0.1:{free_port()}"})
        told = ask(
            "control_register",
            settings.control,
            {"cameras": arguments.cameras, "email": EMAIL, "password": PASSWORD},
        )
        with serving(data, config=config) as served:
            served.told("address")
            with httpx.Client(base_url=served.address, timeout=60, follow_redirects=True) as browser:
                peer = measured(browser, "/static/overt.svg", arguments.requests)
                print(f"{told['cameras']} cameras in the register, {arguments.requests} requests each")
                print(f"{'page':<22}{'p50 ms':>9}{'p95 ms':>9}{'kB':>8}   x a static file")
                print(f"{'(a static file)':<22}{peer[0]:>9.1f}{peer[1]:>9.1f}{peer[2] / 1000:>8.1f}")
                rows = [("/sign-in", measured(browser, "/sign-in", arguments.requests))]
                signed_in(browser)
                rows += [(path, measured(browser, path, arguments.requests)) for path in PAGES[1:]]
                for path, (middle, high, size) in rows:
                    print(f"{path:<22}{middle:>9.1f}{high:>9.1f}{size / 1000:>8.1f}   {middle / peer[0]:.0f}")
            assert served.stop() == 0


if __name__ == "__main__":
    main()
