"""The local model: a real one, served, found by its run's directory, gone with its supervisor."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from processors.llm.config import EndpointConfig
from streams.embedded.local_model import NAME
from streams.inspection.doctor import examine
from streams.language_models import LOCAL, connect, endpoints
from streams.rundir import RunDir
from streams.settings import BadSettings, LlmSettings, Settings

pytestmark = pytest.mark.models


def serve(directory: Path, *options: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "streams.cli", f"--dir={directory}", "llm", "serve", *options]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def address(process: subprocess.Popen[bytes]) -> str:
    assert process.stdout is not None
    line = process.stdout.readline().decode()
    assert line.startswith(NAME)
    return line.split()[2].rstrip(";")


def test_it_lists_its_name_and_replies(local_model: str) -> None:
    assert httpx.get(f"{local_model}/models").json()["data"][0]["id"] == NAME
    asked = {"messages": [{"role": "user", "content": "Say hello."}], "max_tokens": 8}
    reply = httpx.post(f"{local_model}/chat/completions", json=asked, timeout=60).json()
    assert reply["usage"]["completion_tokens"] > 0


def test_a_served_model_is_found_by_the_directory_and_stops_on_sigterm(tmp_path: Path) -> None:
    with serve(tmp_path) as process:
        url = address(process)
        assert endpoints(Settings(dir=tmp_path))[LOCAL].url == url
        assert httpx.get(f"{url}/models").status_code == 200
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0


def test_a_supervised_model_ends_with_its_supervisor(tmp_path: Path) -> None:
    with serve(tmp_path, "--supervised") as process:
        address(process)
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(20) == 0


async def test_without_any_endpoint_the_error_says_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(BadSettings, match=r"SIFT_LLM_URL=.*siftstream llm serve"):
        await connect(Settings(dir=tmp_path))


def test_one_setting_names_another_endpoint(tmp_path: Path) -> None:
    RunDir(tmp_path).announce_model("http://127.0.0.1:1/v1")
    named = Settings(dir=tmp_path, llm=LlmSettings(url="http://gpu-1:8000/v1", model="qwen"))
    assert (endpoints(named)[LOCAL].url, endpoints(named)[LOCAL].model) == ("http://gpu-1:8000/v1", "qwen")


def test_no_prompt_reaches_the_output_of_the_server(tmp_path: Path) -> None:
    with serve(tmp_path) as process:
        url = address(process)
        asked = {"messages": [{"role": "user", "content": "xyzzyplugh"}], "max_tokens": 4}
        httpx.post(f"{url}/chat/completions", json=asked, timeout=60)
        time.sleep(0.2)
        process.send_signal(signal.SIGTERM)
        out, _ = process.communicate(timeout=20)
        assert b"xyzzy" not in out


async def test_the_doctor_asks_every_endpoint_that_is_named(local_model: str, tmp_path: Path) -> None:
    async def found(**urls: str) -> tuple[bool, str]:
        named = {name: EndpointConfig(url=url) for name, url in urls.items()}
        (finding,) = [f for f in await examine(Settings(dir=tmp_path, endpoints=named)) if f.check == "endpoints"]
        return finding.ok, finding.found

    assert await found() == (True, "none is configured: `siftstream up` serves a small local model")
    assert await found(here=local_model) == (True, "here answer")
    ok, told = await found(here=local_model, gone="http://127.0.0.1:9/v1")
    assert (ok, told) == (False, "gone: http://127.0.0.1:9/v1 does not answer (ConnectError)")
