"""What a process of ours may hold. Without this a vendor's key or the master key would lie in processes that
have no use for it, or in the file that a crash leaves behind."""

import re
from pathlib import Path

import pytest
from tests.e2e import processes, settings
from tests.e2e.harness import Server

pytestmark = pytest.mark.process
SECRETS = {
    "OPENAI_API_KEY": "sk-vendor-" + "q" * 30,
    "MY_OWN_NAME_OF_IT": "sk-vendor-" + "r" * 30,
    "SWITCHGEAR_MASTER_KEY": "ab" * 32,
    "AWS_SECRET_ACCESS_KEY": "s" * 40,
}


def test_workers_get_no_secrets_and_no_process_dumps_core(upstream_url: str) -> None:
    config = settings.usual(upstream_url, ["m"], settings.fresh_key())
    with Server(config, workers=2, env=SECRETS | {"https_proxy": "http://127.0.0.1:9"}) as server:
        (root,) = server.pids("supervisor")
        pids = [root, *processes.descendants(root)]
        assert len(pids) >= 4
        for pid in pids:
            limits = Path(f"/proc/{pid}/limits").read_text()
            assert re.search(r"Max core file size +0 +0", limits), pid
        for pid in server.pids("worker"):
            environ = Path(f"/proc/{pid}/environ").read_bytes()
            assert not [name for name, value in SECRETS.items() if value.encode() in environ]
            assert b"https_proxy=" in environ
        (controller,) = server.pids("controller")
        assert SECRETS["MY_OWN_NAME_OF_IT"].encode() in Path(f"/proc/{controller}/environ").read_bytes()
