"""Writes docs/reference from the code's own tables, so that it can't say anything else than the code.

``python tools/make_docs.py`` writes; ``--check`` exits with 1 if a page on disk differs.
"""

import ast
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from switchgear.catalog.calls import CallFamily
from switchgear.catalog.modes import ModeFamily
from switchgear.catalog.price import Price
from switchgear.cli.app import COMMANDS, load
from switchgear.config.server import ENV_PREFIX
from switchgear.config.tables import SERVER, TABLES, Field, Table
from switchgear.control import metrics as controller_metrics
from switchgear.kernel import errors, limits
from switchgear.kernel import facts as facts_module
from switchgear.kernel.dialects import DIALECTS, DialectName
from switchgear.kernel.facts import ModelFacts
from switchgear.kernel.money import NANOS_PER_USD, PPM, usd_from_nanos
from switchgear.kernel.usage import CALL_UNITS, UNITS
from switchgear.ledger.policy import POLICY
from switchgear.ledger.record import END_STATES
from switchgear.relay import metrics as worker_metrics
from switchgear.vendors.shipped import shipped
from switchgear.wire.dialects import DIALECT_OF
from switchgear.wire.neutral.loss import CONCEPTS, Carriage

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "docs" / "reference"
NOTE = "<!-- Written by tools/make_docs.py (make docs). Change the code's table, not this page. -->"


def pages() -> dict[str, str]:
    """File name → text of every generated page."""
    return {
        "errors.md": errors_page(),
        "bounds.md": bounds_page(),
        "settings.md": settings_page(),
        "commands.md": commands_page(),
        "vendors.md": vendors_page(),
        "models.md": models_page(),
        "prices.md": prices_page(),
        "stream-end.md": stream_end_page(),
        "metrics.md": metrics_page(),
        "conversion.md": conversion_page(),
    }


def errors_page() -> str:
    rows = [
        (
            f"`{row.name}`",
            row.status,
            f"`{row.type}`",
            f"`{row.code}`" if row.code else "null",
            row.blame,
            _RETRY[row.should_retry],
            row.meaning,
        )
        for row in errors.TABLE.values()
    ]
    return page(
        "Errors",
        "Every refusal and failure, once. The name stands in usage records and metrics; status, type and "
        "code are what a client of the OpenAI dialect gets. *Retry* is sent as `x-should-retry` where it "
        "differs from what SDKs do by themselves.",
        table(("name", "status", "type", "code", "blame", "retry", "meaning"), rows),
    )


_RETRY = {None: "as the status says", True: "yes", False: "no"}


def bounds_page() -> str:
    rows = [(f"`{name}`", shown_bound(name, value), text) for name, value, text in bounds()]
    return page(
        "Bounds",
        "Every queue, body, wait and retry has a bound. Units stand in the names.",
        table(("bound", "value", "why"), rows),
    )


def bounds() -> list[tuple[str, int | float, str]]:
    """(name, value, docstring) of each constant of ``kernel.limits``."""
    body = ast.parse(Path(limits.__file__).read_text(encoding="utf-8")).body
    found = []
    for at, node in enumerate(body):
        if not (isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)):
            continue
        name = node.targets[0].id
        if name in ("KIB", "MIB", "GIB"):
            continue
        after = body[at + 1] if at + 1 < len(body) else None
        is_text = isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant)
        text = " ".join(str(after.value.value).split()) if is_text else ""
        found.append((name, getattr(limits, name), text))
    return found


def shown_bound(name: str, value: object) -> str:
    """Bytes as KiB or MiB, other figures as they are."""
    if "BYTES" in name and isinstance(value, int):
        for size, unit in ((1024 * 1024, "MiB"), (1024, "KiB")):
            if value >= size and value % size == 0:
                return f"{value // size} {unit}"
    return f"{value:g}" if isinstance(value, float) else str(value)


def settings_page() -> str:
    parts = [part for top in TABLES for part in settings_of(top, top.name)]
    rows = [
        (f"`{ENV_PREFIX}{field.name.upper()}`", f"`server.{field.name}`", field.kind)
        for field in SERVER.fields
    ]
    return page(
        "Settings",
        "Everything that a configuration file may hold. An unknown key is an error. Money and ratios are "
        "quoted decimals: a float can't carry them exactly.",
        *parts,
        "## Environment\n\nStronger than the file, weaker than the command line. Arrays are written with "
        "commas.",
        table(("variable", "setting", "kind"), rows),
        table(
            ("other variable", "meaning"),
            [
                ("`SWITCHGEAR_DATA`", "Data folder, where `--data` is not given."),
                (
                    "`SWITCHGEAR_MASTER_KEY`",
                    "Key of the vault (32 bytes as hex or base64) instead of `secrets/master.key`.",
                ),
                *(
                    (f"`{variable}`", f"Makes a channel of vendor `{vendor.name}` at a start without a file.")
                    for vendor in shipped().vendors.values()
                    for variable in vendor.env
                ),
            ],
        ),
    )


def settings_of(one: Table, path: str) -> list[str]:
    head = f"[[{path}]]" if one.is_array else f"[{path}]"
    rows = table(("key", "kind", "if absent", "meaning"), map(field_row, one.fields))
    parts = [f"## `{head}`\n\n{one.meaning}", rows]
    for inner in one.tables:
        parts += settings_of(inner, f"{path}.{inner.name}")
    return parts


def field_row(field: Field) -> tuple[str, str, str, str]:
    return f"`{field.name}`", field.kind, "**required**" if field.required else field.absent, field.meaning


def commands_page() -> str:
    parts = []
    for name in COMMANDS:
        command = load(name)
        inner = getattr(command, "commands", {})
        parts.append(f"## `switchgear {name}`\n\n{paragraphs(command.help)}")
        if not inner:
            parts += [options(command), examples(command)]
        for sub_name, sub in inner.items():
            parts.append(f"### `switchgear {name} {sub_name}`\n\n{paragraphs(sub.help)}")
            parts += [options(sub), examples(sub)]
    return page(
        "Commands",
        "Exit codes: 0 all is well, 1 a problem was found, 2 used wrongly. Errors are one line on standard "
        "error. Commands that only read work beside a running server and on a stopped one.",
        *parts,
    )


def paragraphs(text: str | None) -> str:
    blocks = (text or "").replace("\b", "").split("\n\n")
    return "\n\n".join(" ".join(block.split()) for block in blocks)


def examples(command: object) -> str:
    lines = [line.strip() for line in getattr(command, "epilog", "").splitlines()[2:]]
    return "\n".join(["```sh", *lines, "```"])


def options(command: object) -> str:
    rows = []
    for parameter in getattr(command, "params", ()):
        is_option = parameter.param_type_name == "option"
        name = ", ".join(parameter.opts) if is_option else parameter.metavar or parameter.name.upper()
        if "--help" not in name:
            rows.append((f"`{name.strip('{}')}`", getattr(parameter, "help", "") or ""))
    return table(("argument or option", "meaning"), rows) if rows else "No options."


def vendors_page() -> str:
    data = shipped()
    rows = [
        (
            f"`{vendor.name}`",
            vendor.title,
            vendor.base_url or ("started by us" if vendor.embedded else "you give it"),
            ", ".join(f"`{name}`" for name in vendor.env) or "none",
            ", ".join(vendor.dialects),
            ", ".join(name for name in vendor.speaks() if name not in vendor.dialects) or "none",
            ", ".join(name for name in vendor.endpoints if name not in DIALECTS) or "none",
            vendor.responses_state if "openai_responses" in vendor.endpoints else "",
            len(data.models_of(vendor.name)),
        )
        for vendor in data.vendors.values()
    ]
    header = (
        "vendor",
        "title",
        "base URL",
        "key from environment",
        "dialects",
        "on request",
        "other operations",
        "responses",
        "models",
    )
    return page(
        "Vendors",
        "Places that a channel may name as its `vendor`. Each is one file in `src/switchgear/vendors/data/`. "
        "A channel speaks the dialects of its vendor unless `dialects` says otherwise; those of the column "
        "*on request* are there too, but have to be named. *responses* says what a vendor does with answers "
        "of the Responses dialect: it keeps `none`, they are `kept` for later calls to name, or it works in "
        "the `background`, too.",
        table(header, rows),
    )


def models_page() -> str:
    data = shipped()
    listed = [
        (
            f"`{model.id}`",
            model.vendor,
            ", ".join(model.endpoints),
            model.context_tokens or "",
            model.output_tokens_max or "",
            shown_facts(data.facts_of(model.vendor, model.upstream_id or model.id)),
        )
        for model in sorted(data.models.values(), key=lambda model: (model.vendor, model.id))
    ]
    families = [
        (f"`{family.pattern}`", family.vendor or "any", shown_values(family.facts.items()))
        for family in data.families
    ]
    return page(
        "Models",
        "What is known of the models that ship with the package. The operations are those of the model's own "
        "vendor. The facts say how its reasoning is switched and what it refuses; what is not said is as the "
        "dialect has it.",
        table(("model", "vendor", "operations", "context", "output at most", "facts"), listed),
        "## Families\n\nThe facts come from these patterns, matched against the name at the upstream; "
        "so they hold for dated names and for models of your own servers too. A later row stands above an "
        "earlier one, key by key; rows of a vendor hold for its own channels only.",
        table(("name", "at vendor", "facts"), families),
        "## Facts",
        table(("fact", "usual", "meaning"), fact_rows()),
    )


def shown_facts(facts: ModelFacts) -> str:
    """Those that differ from the usual, without the token figures that have columns of their own."""
    usual = ModelFacts()
    named = [name for name in facts.__struct_fields__ if name not in ("output_tokens_max", "context_tokens")]
    return shown_values(
        (name, value) for name in named if (value := getattr(facts, name)) != getattr(usual, name)
    )


def shown_values(pairs: Iterable[tuple[str, object]]) -> str:
    return ", ".join(f"{name} = {shown_value(value)}" for name, value in pairs)


def shown_value(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return " ".join(map(str, value)) or "none" if isinstance(value, list | tuple) else str(value)


def fact_rows() -> list[tuple[str, str, str]]:
    """(name, default, docstring) of each field of ``ModelFacts``."""
    tree = ast.parse(Path(facts_module.__file__).read_text(encoding="utf-8"))
    body = next(
        node.body for node in tree.body if isinstance(node, ast.ClassDef) and node.name == "ModelFacts"
    )
    usual = ModelFacts()
    rows = []
    for at, node in enumerate(body):
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            name = node.target.id
            after = body[at + 1] if at + 1 < len(body) else None
            is_text = isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant)
            text = " ".join(str(after.value.value).split()) if is_text else ""
            rows.append((f"`{name}`", shown_value(getattr(usual, name)) or "not known", text))
    return rows


def prices_page() -> str:
    data = shipped()
    parts = []
    for vendor in data.vendors.values():
        models = data.models_of(vendor.name)
        if models:
            rows = [price_row(model.id, data.prices.get(model.id)) for model in models]
            header = ("model", "input", "cache read", "cache write", "output", "since", "source")
            parts += [f"## {vendor.title} (`{vendor.name}`)", table(header, rows)]
    return page(
        "Prices",
        "The shipped price book, in US dollars per million tokens, before the group's ratio. A model without "
        "a price is refused, never free. `[[prices]]` in a configuration file overrides a row; old charges "
        "keep the price they were made with.",
        "## Hosted tools",
        "What tools that the upstream runs cost by the thousand, for each model whose name fits, unless its "
        "own price says it. The more exact pattern wins.",
        table(("models", *CALL_UNITS), [call_row(family) for family in data.call_families]),
        "## Modes",
        "Factors on the prices of tokens, likewise. A mode without one is left out of a request, or refused.",
        table(
            ("models", "mode", "factor"), [row for family in data.mode_families for row in mode_rows(family)]
        ),
        *parts,
    )


def call_row(family: CallFamily) -> tuple[str, ...]:
    rates = [family.rates.get(unit) for unit in CALL_UNITS]
    figures = ("" if rate is None else usd_from_nanos(rate // 1000) for rate in rates)
    return f"`{family.pattern}`", *figures


def mode_rows(family: ModeFamily) -> list[tuple[str, ...]]:
    return [
        (f"`{family.pattern}`", f"`{mode}`", usd_from_nanos(ratio * (NANOS_PER_USD // PPM)))
        for mode, ratio in family.ratios.items()
    ]


def price_row(model: str, price: Price | None) -> tuple[str, ...]:
    if price is None:
        return f"`{model}`", "unpriced", "", "", "", "", ""
    units = ("input_uncached", "cache_read", "cache_write_5m", "output_text")
    rates = [usd_from_nanos(price.rates[unit]) if unit in price.rates else "" for unit in units]
    tiers = f" ({len(price.tiers)} more tier{'s' * (len(price.tiers) > 1)})" if price.tiers else ""
    return f"`{model}`{tiers}", *rates, price.since, price.source


def stream_end_page() -> str:
    words = {None: "any", True: "yes", False: "no"}
    rows = [
        (
            "any" if row.end_states == END_STATES else ", ".join(f"`{state}`" for state in row.end_states),
            words[row.delivered],
            words[row.usage_reported],
            words[row.upstream_answered_error],
            row.basis,
            row.why,
        )
        for row in POLICY
    ]
    header = ("end state", "content delivered", "usage reported", "error reply", "charged by", "why")
    return page(
        "How a call ends, and what it costs",
        f"Every call ends in one of {', '.join(f'`{state}`' for state in END_STATES)}. The first row that "
        "fits decides what the charge is computed from, in every dialect.",
        table(header, rows),
        f"Usage is counted in disjoint units: {', '.join(f'`{unit}`' for unit in UNITS)}.",
    )


def conversion_page() -> str:
    parts = [
        f"## A client of `{client}`\n\n" + table(("concept", "its field", *DIALECTS), conversion_rows(client))
        for client in DIALECTS
    ]
    return page(
        "What conversion keeps",
        "A request whose dialect its upstream speaks passes through as it is. Between two dialects every "
        "concept of a request has one of four fates, whatever else the request says:",
        "- *map*: the upstream's dialect has the same;\n"
        "- *emulate*: another mechanism with the same effect;\n"
        "- *drop*: a tuning knob that it lacks is left out, and named in `x-switchgear-dropped` and in the "
        "usage record;\n"
        "- **refuse**: leaving it out would change the answer, its cost or its safety, so the call ends with "
        "400 `unsupported_parameter` that names the field, before any money is held.",
        "A model may take less than its dialect: what is known of it ([models](models.md)) turns *map* into "
        "*drop* or another spelling, and is named likewise. Of several upstreams the one is asked that "
        "carries the request with the least loss.",
        *parts,
    )


def conversion_rows(client: DialectName) -> list[tuple[str, ...]]:
    """Of each concept: its name, the client's field, and what becomes of it in each dialect."""
    fields = DIALECT_OF[client].fields
    return [
        (
            f"`{concept}`",
            f"`{fields.get(concept, concept)}`",
            *(
                "as it is"
                if upstream == client
                else _FATE[DIALECT_OF[upstream].carries.get(concept, "refuse")]
                for upstream in DIALECTS
            ),
        )
        for concept in CONCEPTS
    ]


_FATE: dict[Carriage, str] = {"map": "map", "emulate": "emulate", "drop": "drop", "refuse": "**refuse**"}


def metrics_page() -> str:
    return page(
        "Metrics",
        "`/metrics` in the Prometheus text format.",
        table(("metric", "kind", "meaning"), [(f"`{name}`", kind, text) for name, kind, text in metrics()]),
    )


def metrics() -> list[tuple[str, str, str]]:
    """(name, kind, help) of workers and controller."""
    of_controller = [(row.name, row.kind, row.help) for row in controller_metrics.METRICS]
    return sorted({*worker_metrics.METRICS, *of_controller})


def page(title: str, *parts: str) -> str:
    return "\n\n".join([f"# {title}", NOTE, *parts]) + "\n"


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    cells = ([str(cell).replace("|", "\\|") for cell in line] for line in lines)
    return "\n".join("| " + " | ".join(line) + " |" for line in cells)


def main(arguments: list[str]) -> int:
    """Writes the pages, or names those that differ."""
    stale = []
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, text in pages().items():
        file = FOLDER / name
        if not file.exists() or file.read_text(encoding="utf-8") != text:
            stale.append(name)
            if "--check" not in arguments:
                file.write_text(text, encoding="utf-8")
    if stale and "--check" in arguments:
        print(f"docs/reference is out of date ({', '.join(stale)}); run: make docs", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
