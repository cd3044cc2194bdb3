"""Without this the fuzz targets could rot between campaigns; each gets a short run over mutated samples."""

import os
import random

import pytest
from tests.fuzz.targets import TARGETS

SAMPLES = [
    b'x: c\n\ndata: {"choices":[{"index":0,"delta":{"content":"\\ud83d\xc3\xa9"},"finish_reason":"stop"}],'
    b'"usage":{"prompt_tokens":3,"completion_tokens":4.0}}\r\n\r\ndata: [DONE]\n\n',
    b'{"model":"m","messages":[{"role":"user","content":[{"type":"text","text":"a"}]}],"prompt":[1,2],"input":[""],'
    b'"stream":true,"stream_options":{"include_usage":true},"n":2,"extra_body":{"google":1,"max_tokens":5}}',
    b'{"prompt_tokens":10,"completion_tokens":5,"total_tokens":20,"cached_tokens":-1,'
    b'"prompt_tokens_details":{"cached_tokens":"4"},"completion_tokens_details":{"reasoning_tokens":5}}',
    b'\x01\x91{"error":{"message":"Bearer abcdefgh at http://u:p@h:80","type":"t","code":1302,"param":"model"}}',
    b'\x40data: {"type":"response.output_item.done","output_index":0,"item":{"type":"function_call",'
    b'"call_id":"c","name":"f","arguments":"{}"}}\n\ndata: {"type":"response.completed",'
    b'"response":{"output":[],"usage":{"input_tokens":3,"output_tokens":1}}}\n\n',
    b'\x40event: content_block_delta\ndata: {"type":"content_block_delta","index":0,'
    b'"delta":{"type":"text_delta","text":"a"}}\n\nevent: message_stop\ndata: {"type":"message_stop"}\n\n',
    b'\x40data: {"candidates":[{"content":{"parts":[{"text":"a"},{"functionCall":{"name":"f","args":{}}}]},'
    b'"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":1}}\n\n',
    b'{"model":"m","max_tokens":5,"instructions":"i","input":[{"type":"reasoning","summary":[]},{"role":"user",'
    b'"content":[{"type":"input_image","image_url":"data:image/png;base64,AAAA"}]},{"type":"function_call",'
    b'"call_id":"c","name":"f","arguments":"{}"}],"tools":[{"type":"namespace","name":"n","tools":[]}],'
    b'"messages":[{"role":"assistant","content":[{"type":"tool_use","id":"t","name":"f","input":{}}]}],'
    b'"contents":[{"parts":[{"inlineData":{"mimeType":"image/png","data":"AAAA"}}]}]}',
    b'{"data":[{"embedding":"AACAPw==","index":0},{"embedding":[1.5,2e0]}],"choices":[{"message":{"content":"x"}}]}',
]
TOKENS = [
    b"\n\n",
    b"\r",
    b"data: ",
    b"null",
    b"[" * 200,
    b'"',
    b"\\",
    b"\xff",
    b"1e999",
    b"-1",
    b"{}",
    b",",
    b":",
]
RUNS = int(os.environ.get("FUZZ_RUNS", "300"))
SEED = os.environ.get("FUZZ_SEED", "")


@pytest.mark.parametrize("name", TARGETS)
def test_mutated_samples(name: str) -> None:
    chance = random.Random(name + SEED)
    for _ in range(RUNS):
        data = bytearray(chance.choice(SAMPLES))
        for _ in range(chance.randint(0, 6)):
            at = chance.randint(0, len(data))
            if chance.random() < 0.5:
                data[at:at] = chance.choice(TOKENS)
            else:
                del data[at : at + chance.randint(1, 8)]
        TARGETS[name](bytes(data))


@pytest.mark.parametrize("name", TARGETS)
@pytest.mark.parametrize("data", [b"", b"\0", b"\xff" * 10, b"data: [DONE]"])
def test_small_inputs(name: str, data: bytes) -> None:
    TARGETS[name](data)
