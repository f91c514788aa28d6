"""Model settings: what a run file may say, and the key that must be there."""

import pickle

import pytest
from pydantic import SecretStr

from promptlathe.documents import Document, parse
from promptlathe.errors import InputError
from promptlathe.models import ModelSettings, check_key, connect
from promptlathe.models.pocket import VERSION
from promptlathe.records import Answer, Message

HI = (Message("user", "hi"),)


def test_a_name_alone_is_enough() -> None:
    assert parse(ModelSettings, Document("gpt-6-luna")) == ModelSettings(name="gpt-6-luna")


def test_a_copy_sends_its_own_parameters() -> None:
    model = ModelSettings(name="m", max_tokens=16, stop=["\n"])
    assert model.parameters["max_tokens"] == 16  # read before it is copied
    other = model.model_copy(update={"max_tokens": 900, "stop": None})
    assert other.parameters["max_tokens"] == 900
    assert "stop" not in other.parameters


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"name": "m", "temprature": 1}, "temperature"),
        ({"name": "m", "temperature": 3}, "temperature"),
        ({"name": "m", "base_url": "localhost:8000/v1"}, "https://host/v1"),
        ({"name": "m", "base_url": "https://me:sk-1@host/v1"}, "variable"),
        ({"name": ""}, "name"),
        ({"name": "m", "n": 2}, "unknown key 'n'"),
        ({"name": "m", "extra_body": {"n": 2}}, "'n'"),
        ({"name": "m", "extra_headers": {"Authorization": "Bearer sk-1"}}, "api_key_env"),
        ({"base_url": "https://host/v1"}, "name"),
    ],
)
def test_mistakes_are_named(data: dict[str, object], said: str) -> None:
    with pytest.raises(InputError, match=said) as caught:
        parse(ModelSettings, Document(data))
    assert "sk-1" not in str(caught.value)


def test_settings_survive_a_process_boundary() -> None:
    settings = ModelSettings(name="m", temperature=0.5)
    assert pickle.loads(pickle.dumps(settings)) == settings


def test_only_what_is_set_is_sent() -> None:
    assert ModelSettings(name="m", temperature=0).parameters == {
        "max_tokens": 1024,
        "temperature": 0,
    }


def test_a_prompts_parameters_go_first() -> None:
    settings = ModelSettings(name="m", temperature=0.5, base_url="http://127.0.0.1:1/v1/")
    call = settings.call(HI, (("name", "n"), ("temperature", 1.0)), repeat=2)
    assert (call.model, call.endpoint, call.repeat) == ("n", "http://127.0.0.1:1/v1", 2)
    assert call.parameters == (("max_tokens", 1024), ("temperature", 1.0))


def test_the_endpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    assert ModelSettings(name="m").endpoint == "https://api.openai.com/v1"
    monkeypatch.setenv("OPENAI_BASE_URL", "https://proxy.example/v1/")
    assert ModelSettings(name="m").endpoint == "https://proxy.example/v1"
    assert ModelSettings(name="pocket").endpoint == f"pocket-{VERSION}"


@pytest.mark.parametrize(
    ("settings", "variable"),
    [
        (ModelSettings(name="m"), "OPENAI_API_KEY"),
        (ModelSettings(name="m", api_key_env="MY_KEY"), "MY_KEY"),
        (ModelSettings(name="m", base_url="http://127.0.0.1/v1", api_key_env="MY_KEY"), "MY_KEY"),
    ],
)
def test_a_missing_key_names_its_variable(
    settings: ModelSettings, variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(variable, raising=False)
    with pytest.raises(InputError, match=variable):
        check_key(settings)
    with pytest.raises(InputError, match=variable):
        connect(settings)
    monkeypatch.setenv(variable, "sk-1")
    assert check_key(settings) == SecretStr("sk-1")
    assert "sk-1" not in repr(check_key(settings))


@pytest.mark.parametrize("url", [None, "http://127.0.0.1/v1"])
def test_local_models_need_no_key(url: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    check_key(ModelSettings(name="pocket", base_url=url))


async def test_the_embedded_model_answers() -> None:
    settings = ModelSettings(name="pocket")
    model = connect(settings)
    ask = Message("user", "Is this about cards or about loans? Answer with one word.\nInput: card")
    reply = await model.answer(settings.call([ask]))
    await model.close()
    assert isinstance(reply, Answer)
    assert reply.text
    assert reply.input_tokens


def test_a_parameter_that_is_not_known_is_refused() -> None:
    with pytest.raises(InputError, match="'n'"):
        ModelSettings(name="m").call(HI, (("n", 2),))
    call = ModelSettings(name="m").call(HI, (("max_completion_tokens", 7),), step="plan")
    assert (dict(call.parameters), call.step) == ({"max_tokens": 7}, "plan")
