"""The configuration of a start without a file. Without this, a newcomer's vendor keys could be overlooked or
stored, or an unpriced model offered.
"""

from switchgear.config.defaults import first_config
from switchgear.config.server import resolve_server
from switchgear.kernel.config import ServerConfig
from switchgear.vendors.shipped import shipped


def test_a_bare_machine_gets_the_embedded_model_a_user_and_a_key() -> None:
    config = first_config({}, shipped())
    assert [(channel.name, channel.models) for channel in config.channels] == [
        ("local", ("smollm2-135m-instruct",))
    ]
    assert [(user.name, user.balance_nanos) for user in config.users] == [("default", 100_000_000_000)]
    assert [(key.name, key.user, key.key) for key in config.keys] == [("default", "default", None)]


def test_each_vendor_key_becomes_a_channel_of_priced_models_by_reference() -> None:
    config = first_config({"OPENAI_API_KEY": "sk-secret", "DEEPSEEK_API_KEY": " ", "PATH": "/bin"}, shipped())
    (openai,) = [channel for channel in config.channels if channel.name != "local"]
    assert (openai.vendor, openai.keys_env, openai.keys) == ("openai", "OPENAI_API_KEY", ())
    assert openai.models
    assert set(openai.models) <= set(shipped().prices)
    assert "sk-secret" not in repr(config)


def test_the_strongest_word_on_a_setting_wins_and_a_bad_one_is_told() -> None:
    environ = {"SWITCHGEAR_SERVER_PORT": "81", "SWITCHGEAR_SERVER_TRUSTED_PROXIES": "10.0.0.0/8, ::1"}
    ports, _, wrong = resolve_server(ServerConfig(), {"SWITCHGEAR_SERVER_FETCH_PORTS": "443, 8443"}, {})
    assert (ports.fetch_ports, wrong) == ((443, 8443), ())
    in_file = ServerConfig(port=80, workers=3)
    lines = {("server", "port"): 2, ("server", "workers"): 3}
    server, origins, problems = resolve_server(in_file, environ, {"host": "::"}, "f", lines)
    assert (server.host, server.port, server.workers) == ("::", 81, 3)
    assert server.trusted_proxies == ("10.0.0.0/8", "::1/128")
    assert problems == ()
    assert {origin.key: origin.origin for origin in origins} == {
        "server.host": "command line --host",
        "server.port": "environment SWITCHGEAR_SERVER_PORT",
        "server.workers": "f:3",
        "server.trusted_proxies": "environment SWITCHGEAR_SERVER_TRUSTED_PROXIES",
        "server.log_level": "default",
        "server.log_format": "default",
        "server.drain_s": "default",
        "server.responses_retention_days": "default",
        "server.client_gone_read_s": "default",
        "server.usage_retention_days": "default",
        "server.fetch_ports": "default",
    }
    _, _, problems = resolve_server(ServerConfig(), {"SWITCHGEAR_SERVER_PORT": "http"}, {})
    assert [(found.file, found.key) for found in problems] == [("environment", "SWITCHGEAR_SERVER_PORT")]
