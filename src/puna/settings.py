"""Every setting, read once: from the environment, before files (``puna.config``).

``Settings`` is the one place that knows a variable's name, type, default and meaning; the tables in the README files
are checked against it. Names are ``OLLAMA_*`` where Ollama has the setting, ``PUNA_*`` otherwise.
"""

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from puna.config.address import Address, parse_address
from puna.config.file import read_files
from puna.config.near import unknown_variables
from puna.config.sections import Sections, read_sections
from puna.config.sources import DEFAULT, ENVIRONMENT, Given, gather, key_of
from puna.config.values import (
    Credentials,
    Network,
    optional,
    optional_token,
    parse_bool,
    parse_bytes,
    parse_choice,
    parse_count,
    parse_credentials,
    parse_level,
    parse_list,
    parse_logins,
    parse_mirrors,
    parse_networks,
    parse_path,
    parse_patterns,
    parse_peers,
    parse_positive,
)
from puna.durations import parse_duration, parse_timeout
from puna.errors import BadRequestError, PunaError
from puna.jobs.batches_hours import Hours, parse_hours

_SURROGATE = re.compile("[\ud800-\udfff]")
"""What Python makes of bytes that are not UTF-8."""
_SECRET = re.compile(r"_(AUTH|API_KEY|TOKEN|SECRET|PASSWORD|TESTING)$")


class SettingError(PunaError):
    """A setting has a value that cannot be used; the text begins with its variable, or its file and line."""


def _setting(variable: str, default: str, parse: Callable[[str], Any], help_text: str) -> Any:
    """Declare a setting. ``default`` is the text that the environment would hold."""
    return field(metadata={"variable": variable, "default": default, "parse": parse, "help": help_text})


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All settings of one server; see ``SETTINGS`` for names, defaults and meanings."""

    address: Address = _setting(
        "OLLAMA_HOST",
        "127.0.0.1:11434",
        parse_address,
        "address and port, or unix:/path of a socket, to listen on, and for clients to ask; there a path stands before "
        "those of all routes",
    )
    models: Path = _setting(
        "OLLAMA_MODELS", "~/.ollama/models", parse_path, "directory of the models, in Ollama's layout"
    )
    home: Path = _setting(
        "PUNA_HOME",
        "~/.puna",
        parse_path,
        "directory of what Puna keeps beside models: engines, what puna tune has found, what was typed into puna run",
    )
    engine: str = _setting(
        "PUNA_ENGINE",
        "",
        str,
        "engine for all models: portable, the name of a build, or the path of a llama-server; unset: as chosen with "
        "puna engine use",
    )
    keep_alive: float = _setting(
        "OLLAMA_KEEP_ALIVE",
        "5m",
        parse_duration,
        "how long a model stays in memory after its last request; negative: for ever",
    )
    load_timeout: float = _setting(
        "OLLAMA_LOAD_TIMEOUT",
        "5m",
        parse_timeout,
        "how long the load of a model may make no progress; 0 or negative: no limit",
    )
    context_length: int = _setting(
        "OLLAMA_CONTEXT_LENGTH",
        "0",
        parse_count,
        "context in tokens; 0: the model's own, up to what memory allows",
    )
    num_parallel: int = _setting(
        "OLLAMA_NUM_PARALLEL",
        "0",
        parse_count,
        "requests that one model answers at a time; 0: chosen from memory",
    )
    max_loaded_models: int = _setting(
        "OLLAMA_MAX_LOADED_MODELS", "0", parse_count, "models in memory at a time; 0: as many as fit"
    )
    max_queue: int = _setting(
        "OLLAMA_MAX_QUEUE", "512", parse_count, "requests that may wait; one more is answered with 503"
    )
    stall_timeout: float = _setting(
        "PUNA_STALL_TIMEOUT",
        "5m",
        parse_timeout,
        "how long a runner may make no progress before it is replaced; 0 or negative: no limit",
    )
    memory_margin: int = _setting(
        "PUNA_MEMORY_MARGIN",
        "768M",
        parse_bytes,
        "memory that a runner may take beyond what is planned for its model before it is ended; 0: no bound",
    )
    sessions: int = _setting(
        "PUNA_SESSIONS",
        "2G",
        parse_bytes,
        "disk space for the caches of conversations whose model has left memory; 0: keep none",
    )
    responses: int = _setting(
        "PUNA_RESPONSES",
        "256M",
        parse_bytes,
        "disk space for the stored responses and conversations of the Responses API, for each key; 0: store none",
    )
    responses_age: float = _setting(
        "PUNA_RESPONSES_AGE",
        "720h",
        parse_duration,
        "how long a stored response or conversation is kept after its last use; negative: for ever",
    )
    batches: int = _setting(
        "PUNA_BATCHES",
        "1G",
        parse_bytes,
        "disk space for the files of batches and their answers, for each key; 0: take no batches",
    )
    batches_age: float = _setting(
        "PUNA_BATCHES_AGE",
        "720h",
        parse_duration,
        "how long files, and batches after their end, are kept; negative: for ever",
    )
    batch_parallel: int = _setting(
        "PUNA_BATCH_PARALLEL", "4", parse_positive, "requests of batches that are asked at a time"
    )
    batch_hours: Hours = _setting(
        "PUNA_BATCH_HOURS",
        "",
        parse_hours,
        "hours of the local day in which requests of batches are asked (22:00-06:30); unset: all",
    )
    kv_cache_type: str | None = _setting(
        "OLLAMA_KV_CACHE_TYPE",
        "",
        optional(parse_choice("f16", "f32", "bf16", "q8_0", "q4_0", "q4_1", "q5_0", "q5_1", "iq4_nl")),
        "number format of the key-value cache; unset: f16, or what puna tune has found",
    )
    go_template: bool | None = _setting(
        "OLLAMA_GO_TEMPLATE",
        "",
        optional(parse_bool),
        "whether a model's Go template is used where its file has a Jinja one too; unset: the one that can do more",
    )
    flash_attention: bool | None = _setting(
        "OLLAMA_FLASH_ATTENTION",
        "",
        optional(parse_bool),
        "flash attention on or off; unset: off on a processor unless puna engine build made the engine, else the "
        "engine decides, or what puna tune has found",
    )
    origins: tuple[str, ...] = _setting(
        "OLLAMA_ORIGINS",
        "",
        parse_list,
        "further origins (comma-separated, * allowed) whose pages may call the API",
    )
    basic_auth: Credentials | None = _setting(
        "OLLAMA_BASIC_AUTH",
        "",
        optional(parse_credentials),
        "user:password that every request must present (HTTP Basic)",
    )
    api_key: str = _setting("OLLAMA_API_KEY", "", str, "key that commands present to the server (puna key create)")
    tls_cert: Path | None = _setting(
        "PUNA_TLS_CERT",
        "",
        optional(parse_path),
        "certificate with its chain (PEM) with which the server speaks HTTPS; read again when it is renewed",
    )
    tls_key: Path | None = _setting(
        "PUNA_TLS_KEY", "", optional(parse_path), "key of the certificate; unset: it is in the same file"
    )
    tls_ca: Path | None = _setting(
        "PUNA_TLS_CA", "", optional(parse_path), "certificates (PEM) that commands trust beside those of the system"
    )
    debug: bool = _setting("OLLAMA_DEBUG", "false", parse_level, "log more, and show where a command failed")
    log_format: str = _setting(
        "PUNA_LOG_FORMAT", "text", parse_choice("text", "json"), "form of the log's lines: text, or json"
    )
    log_file: Path | None = _setting(
        "PUNA_LOG_FILE", "", optional(parse_path), "file that the server logs to; unset: standard error"
    )
    log_file_size: int = _setting(
        "PUNA_LOG_FILE_SIZE",
        "32M",
        parse_bytes,
        "size at which a new log file is begun, four older ones being kept; 0: when another program has moved it",
    )
    traces: bool = _setting(
        "PUNA_TRACES",
        "false",
        parse_bool,
        "tell of each request by OpenTelemetry, as the OTEL_* variables say; needs the extra puna[traces]",
    )
    record: bool = _setting(
        "PUNA_RECORD",
        "false",
        parse_bool,
        "keep requests with their answers, encrypted, to ask them again (puna replay)",
    )
    record_key: Path | None = _setting(
        "PUNA_RECORD_KEY",
        "",
        optional(parse_path),
        "file whose bytes are the key to what is recorded; unset: record.key in PUNA_HOME, which is made",
    )
    record_size: int = _setting(
        "PUNA_RECORD_SIZE", "256M", parse_bytes, "disk space for recorded requests; the oldest make room"
    )
    record_age: float = _setting(
        "PUNA_RECORD_AGE", "168h", parse_duration, "how long a recorded request is kept; negative: for ever"
    )
    allow_open: bool = _setting(
        "PUNA_ALLOW_OPEN",
        "false",
        parse_bool,
        "listen on a non-loopback address without credentials, knowingly",
    )
    max_body: int = _setting(
        "PUNA_MAX_BODY",
        "256M",
        parse_bytes,
        "largest request body (blob uploads excepted); one over it is answered with 413",
    )
    client_timeout: float = _setting(
        "PUNA_CLIENT_TIMEOUT",
        "60s",
        parse_timeout,
        "how long a client may take to send the head of a request, and be silent within its body; "
        "0 or negative: no limit",
    )
    trusted_proxies: tuple[Network, ...] = _setting(
        "PUNA_TRUSTED_PROXIES",
        "",
        parse_networks,
        "proxies (addresses or networks, comma-separated) whose X-Forwarded-For is believed; empty: none",
    )
    truncate: bool = _setting(
        "PUNA_TRUNCATE",
        "true",
        parse_bool,
        "drop the oldest messages of a prompt that does not fit its context; false: answer with 400",
    )
    mirrors: Mapping[str, str] = _setting(
        "PUNA_MIRRORS", "", parse_mirrors, "mirrors to pull from: registry=address,... (https unless it says http://)"
    )
    allowed_registries: tuple[str, ...] = _setting(
        "PUNA_ALLOWED_REGISTRIES", "", parse_list, "the only registries to pull from and push to; empty: any"
    )
    allow_private_registries: bool = _setting(
        "PUNA_ALLOW_PRIVATE_REGISTRIES",
        "false",
        parse_bool,
        "let clients on other machines pull from registries on private networks",
    )
    share: tuple[str, ...] = _setting(
        "PUNA_SHARE",
        "",
        parse_patterns,
        "models (patterns of names, comma-separated; * for all) that others may pull from this server; unset: none",
    )
    peers: tuple[str, ...] = _setting(
        "PUNA_PEERS",
        "",
        parse_peers,
        "other Punas to take models from, side by side with their registry: address,... (https unless it says http://)",
    )
    media_hosts: tuple[str, ...] = _setting(
        "PUNA_MEDIA_HOSTS",
        "",
        parse_list,
        "private hosts (host or host:port) whose pictures and sounds a request may name by URL; none: no URLs at all",
    )
    registry_auth: Mapping[str, Credentials] = _setting(
        "PUNA_REGISTRY_AUTH", "", parse_logins, "logins for registries: host=user:password,..."
    )
    no_history: bool = _setting(
        "OLLAMA_NOHISTORY", "false", parse_bool, "do not keep what was typed into puna run beyond its end"
    )
    editor: str = _setting(
        "OLLAMA_EDITOR", "", str, "editor for long messages in puna run (Ctrl + g); unset: VISUAL, then EDITOR"
    )
    hide_builtin: bool = _setting(
        "PUNA_HIDE_BUILTIN", "false", parse_bool, "leave the built-in model cria out of the list"
    )
    config: Path | None = _setting(
        "PUNA_CONFIG",
        "",
        optional(parse_path),
        "file of settings that wins over /etc/puna.toml and ~/.config/puna/config.toml; /dev/null: no files are read",
    )
    node_labels: tuple[str, ...] = _setting(
        "PUNA_NODE_LABELS", "", parse_list, "labels of this machine in a cluster, which models may ask for"
    )
    testing: str = _setting(
        "PUNA_TESTING",
        "",
        optional_token,
        "set by puna.testing alone: the key to routes by which a test writes the answers of this server",
    )

    sections: Sections = field(default_factory=Sections)
    """What files say about single models, and what has been changed of that while the server runs."""

    @property
    def url(self) -> str:
        """Return the base URL for clients on this machine."""
        is_secret = self.tls_cert is not None and not self.address.path
        return (replace(self.address, scheme="https") if is_secret else self.address).url

    @classmethod
    def from_env(cls, env: Mapping[str, str] | None = None) -> "Settings":
        """Read the settings from ``env`` alone, by default from the process's environment and the files behind it.

        Raises ``SettingError``, or ``ConfigError`` for a file that cannot be used.
        """
        files = read_files(os.environ)[0] if env is None else []
        given = gather(os.environ if env is None else env, files, _DEFAULTS)
        values = {entry.name: _parsed(entry, given[entry.variable]) for entry in SETTINGS}
        return cls(**values, sections=read_sections(files))


def _parsed(entry: "SettingInfo", given: Given) -> Any:
    where = entry.variable if given.origin in (ENVIRONMENT, DEFAULT) else f"{given.origin}: {entry.key}"
    if entry.parse is not parse_path and not given.text.isprintable() and _SURROGATE.search(given.text):
        raise SettingError(f"{where}: it is not UTF-8")
    try:
        return entry.parse(given.text)
    except (BadRequestError, ValueError) as error:  # of URLs and numbers
        raise SettingError(f"{where}: {error}") from error


@dataclass(frozen=True, slots=True)
class SettingInfo:
    """What is known of one setting: its field in ``Settings``, variable, default as text, and meaning."""

    name: str
    variable: str
    default: str
    help: str
    parse: Callable[[str], Any]

    @property
    def key(self) -> str:
        """Return its name in a file."""
        return key_of(self.variable)

    @property
    def is_secret(self) -> bool:
        """Return whether its value must not be shown. Its name says so: one that is new is hidden from the start."""
        return bool(_SECRET.search(self.variable))


SETTINGS = tuple(
    SettingInfo(
        name=entry.name,
        variable=entry.metadata["variable"],
        default=entry.metadata["default"],
        help=entry.metadata["help"],
        parse=entry.metadata["parse"],
    )
    for entry in fields(Settings)
    if entry.metadata
)
"""Every setting in the order in which the documentation lists them."""
_DEFAULTS = {entry.variable: entry.default for entry in SETTINGS}


def given_settings() -> dict[str, Given]:
    """Return what is given for each setting, by variable: in the process's environment, in files, or its default."""
    return gather(os.environ, read_files(os.environ)[0], _DEFAULTS)


def setting_warnings() -> list[str]:
    """Return what to say at a start of settings that cannot mean what was meant, and of files that were passed over."""
    files, warnings = read_files(os.environ)
    secrets = {entry.key for entry in SETTINGS if entry.is_secret}
    for file in files:
        open_to_others = file.path.stat().st_mode & 0o077
        for key in sorted(secrets & set(file.values)) if open_to_others else ():
            warnings.append(f"{file.origin(key)}: {key} is a secret, and others may read the file (chmod 600)")
    return [*warnings, *unknown_variables(os.environ, _DEFAULTS)]
