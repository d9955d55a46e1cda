"""Settings: the file, the environment, the command line, in this order; unknown keys are refused with a hint."""

import os
import re
from pathlib import Path
from typing import Any

import orjson
import pytest
from click.testing import CliRunner
from pydantic import SecretStr

from processors.llm.config import EndpointConfig
from streams import settings as module
from streams.cli import main
from streams.settings import BadSettings, Settings, api_keys, cache_directory, load, shown


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Use an empty working directory, without the tester's own settings."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("SIFT_")]:
        monkeypatch.delenv(name)


def write(text: str, name: str = module.FILE) -> Path:
    file = Path(name)
    file.write_text(text)
    return file.resolve()


def test_without_anything_there_are_the_defaults() -> None:
    assert load() == Settings()


def test_the_file_of_the_working_directory_is_read() -> None:
    write('prefix = "mine"\n[retry]\nmax_attempts = 9\n[broker]\nbootstrap = "k:9092"\ntls = true\n')
    found = load()
    assert (found.prefix, found.retry.max_attempts, found.broker.tls) == ("mine", 9, True)
    assert found.retry.max_crashes == Settings().retry.max_crashes


def test_the_environment_goes_before_the_file_and_the_command_line_before_both(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    write('prefix = "file"\ndir = "file"\n[worker]\ndrain_s = 1.0\nstuck_s = 1.0\n')
    monkeypatch.setenv("SIFT_PREFIX", "environment")
    monkeypatch.setenv("SIFT_DIR", "environment")
    monkeypatch.setenv("SIFT_WORKER_DRAIN_S", "2.5")
    found = load(overrides={"prefix": "command", "dir": None})
    assert (found.prefix, found.dir) == ("command", Path("environment"))
    assert (found.worker.drain_s, found.worker.stuck_s) == (2.5, 1.0)


def test_a_key_with_an_underscore_is_reached_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIFT_RETRY_MAX_ATTEMPTS", "7")
    monkeypatch.setenv("SIFT_BROKER_TLS", "true")
    assert (load().retry.max_attempts, load().broker.tls) == (7, True)


def test_sift_config_names_the_file_and_an_argument_goes_before_it(monkeypatch: pytest.MonkeyPatch) -> None:
    write('prefix = "default"')
    monkeypatch.setenv("SIFT_CONFIG", str(write('prefix = "named"', "other.toml")))
    assert load().prefix == "named"
    assert load(write('prefix = "argument"', "third.toml")).prefix == "argument"


def test_a_file_that_is_named_must_be_there(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BadSettings, match=r"no settings file nowhere\.toml"):
        load(Path("nowhere.toml"))
    monkeypatch.setenv("SIFT_CONFIG", "gone.toml")
    with pytest.raises(BadSettings, match=r"gone\.toml"):
        load()


def test_a_file_that_is_not_toml_is_named() -> None:
    write("prefix = ")
    with pytest.raises(BadSettings, match=r"siftstream\.toml is not TOML"):
        load()


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('prefiks = "x"', "unknown setting prefiks; did you mean prefix?"),
        ("[retry]\nmax_atempts = 3", "unknown setting retry.max_atempts; did you mean retry.max_attempts?"),
        ("[retri]\nmax_attempts = 3", "unknown setting retri"),
        ("[zzz]\nqqq = 3", "`siftstream config` lists them all"),
    ],
)
def test_an_unknown_key_of_the_file_is_refused_with_a_hint(text: str, complaint: str) -> None:
    write(text)
    with pytest.raises(BadSettings) as error:
        load()
    assert complaint in str(error.value)


def test_an_unknown_key_of_the_environment_is_refused_with_a_hint(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIFT_DIVERSITY_KEEP_RAT", "0.1")
    with pytest.raises(BadSettings, match="SIFT_DIVERSITY_KEEP_RAT in the environment; did you mean SIFT_DIVERSITY_KE"):
        load()


def test_what_tests_put_into_the_environment_is_let_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIFT_TEST_KAFKA", "k:9092")
    assert load() == Settings()


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('[retry]\nmax_attempts = "many"', "setting retry.max_attempts: Input should be a valid integer"),
        ("[worker]\ndrain_s = []", "setting worker.drain_s"),
        ('[broker]\nmechanism = "MAGIC"', "setting broker.mechanism"),
        ('broker = "k:9092"', "setting broker"),
        ("prefix = 3", "setting prefix"),
    ],
)
def test_a_value_of_the_wrong_type_is_named_with_its_place(text: str, complaint: str) -> None:
    write(text)
    with pytest.raises(BadSettings) as error:
        load()
    assert complaint in str(error.value)


def test_a_setting_under_a_section_that_is_no_section_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    write('broker = "k:9092"')
    monkeypatch.setenv("SIFT_BROKER_USER", "me")
    with pytest.raises(BadSettings, match="broker"):
        load()


def test_two_faults_are_both_told() -> None:
    write('prefix = 3\n[retry]\nmax_attempts = "many"')
    with pytest.raises(BadSettings, match=r"prefix.*retry\.max_attempts|retry\.max_attempts.*prefix"):
        load()


def test_the_password_is_stars_wherever_settings_are_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIFT_BROKER_PASSWORD", "s3cret")
    monkeypatch.setenv("SIFT_BROKER_USER", "me")
    found = load()
    assert shown(found)["broker"]["password"] == "**********"
    assert b"s3cret" not in orjson.dumps(shown(found))
    assert "s3cret" not in repr(found)
    assert "s3cret" not in repr(found.broker.connection())
    assert found.broker.password == SecretStr("s3cret")
    assert found.broker.connection().password == "s3cret"


def test_a_bad_setting_beside_the_password_does_not_show_it() -> None:
    write('[broker]\npassword = "s3cret"\npasword = "s3cret2"')
    with pytest.raises(BadSettings) as error:
        load()
    assert "s3cret" not in str(error.value)
    write('[broker]\npassword = ["s3cret"]')
    with pytest.raises(BadSettings) as error:
        load()
    assert "s3cret" not in str(error.value)


def test_every_key_is_shown() -> None:
    data = shown(Settings())
    tables = {key for key, default in module.keys().items() if isinstance(default, dict)}

    def flat(table: dict[str, Any], path: str = "") -> set[str]:
        found: set[str] = set()
        for name, value in table.items():
            key = path + name
            found |= flat(value, f"{key}.") if isinstance(value, dict) and key not in tables else {key}
        return found

    assert flat(data) == set(module.keys())


def test_a_section_within_a_section_can_be_set(monkeypatch: pytest.MonkeyPatch) -> None:
    write('[diversity]\nkeep_rate = 0.2\n[diversity.gates]\noff = ["echo"]\ncut_off = 9.0')
    monkeypatch.setenv("SIFT_DIVERSITY_GATES_UNRELATED", "0.9")
    gates = load().diversity.gates
    assert (gates.off, gates.cut_off, gates.unrelated, gates.repetition) == (("echo",), 9.0, 0.9, 0.1)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[diversity.gates]\necco = 1", "unknown setting diversity.gates.ecco; did you mean diversity.gates.echo"),
        ("[diversity]\ngates = 1", "setting diversity.gates is a section: write"),
        ('[diversity.gates]\noff = ["ecco"]', "setting diversity.gates.off.0"),
        ("[diversity.gates]\necho = 2", "setting diversity.gates.echo"),
    ],
)
def test_a_wrong_key_within_a_section_within_a_section_is_refused(text: str, told: str) -> None:
    write(text)
    with pytest.raises(BadSettings, match=re.escape(told)):
        load()


def test_the_cache_is_the_users(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert cache_directory() == tmp_path / "cache" / "siftstream" == Settings().cache
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_directory() == tmp_path / ".cache" / "siftstream"


TABLES = """
[llm]
url = "http://a:1/v1"
[endpoints.gpt4]
url = "https://api.openai.com/v1"
model = "gpt-4o"
usd_per_million_input = 2.5
[endpoints.qwen]
url = "http://gpu-1:8000/v1"
[[routes]]
languages = ["zh"]
endpoints = ["qwen", "gpt4"]
weights = [3, 1]
[[routes]]
endpoints = ["gpt4"]
n = 2
[budget]
usd = 20.0
[budget.stages.synthesis]
usd = 5.0
"""


def test_endpoints_and_routes_are_tables_that_the_user_names() -> None:
    write(TABLES)
    found = load()
    assert list(found.endpoints) == ["gpt4", "qwen"]
    assert found.endpoints["gpt4"].cost_usd(1_000_000, 0) == 2.5
    assert (found.routes[0].weights, found.routes[1].n) == ((3.0, 1.0), 2)
    assert found.budget.stages["synthesis"].usd == 5.0


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('[endpoints.a]\nurl = "gpu-1:8000"', "setting endpoints.a: url is 'gpu-1:8000'"),
        ('[endpoints.a]\nurll = "http://a/v1"', "setting endpoints.a.urll: Unexpected keyword argument"),
        ('[endpoints.a]\nmodel = "m"', "setting endpoints.a.url: Field required"),
        ('[[routes]]\nendpoints = ["a"]\nweights = [1, 2]', "setting routes.0: weights are as many"),
        ("[budget.stages.synthesis]\neuro = 1", "setting budget.stages.synthesis.euro"),
    ],
)
def test_a_fault_in_such_a_table_is_named_with_its_place(text: str, complaint: str) -> None:
    write(text)
    with pytest.raises(BadSettings) as error:
        load()
    assert complaint in str(error.value)


def test_printed_settings_read_back_as_they_were() -> None:
    write(TABLES)
    found = load()
    printed = CliRunner().invoke(main, ["config"]).output.replace('password = ""\n', "")
    assert load(write(printed, "printed.toml")) == found


def test_keys_of_endpoints_come_from_the_environment_only(monkeypatch: pytest.MonkeyPatch) -> None:
    endpoints = {name: EndpointConfig(url="http://a/v1", api_key_env=f"KEY_{name}") for name in ("a", "b")}
    monkeypatch.setenv("KEY_a", "secret")
    assert api_keys(endpoints) == {"a": "secret"}
