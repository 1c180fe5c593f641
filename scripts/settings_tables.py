"""Writes the tables of settings in the two READMEs from ``puna.settings``: ``python scripts/settings_tables.py``."""

import sys
from collections.abc import Iterable
from pathlib import Path

from puna.settings import SETTINGS

_ROOT = Path(__file__).parents[1]
_BEGIN, _END = "<!-- settings -->\n\n", "\n<!-- /settings -->"

_CHINESE = {
    "OLLAMA_HOST": "监听的地址和端口，或 unix:/路径 套接字；客户端命令也用它找到服务，其中的路径加在请求路径之前",
    "OLLAMA_MODELS": "模型目录，布局与 Ollama 相同",
    "PUNA_HOME": "Puna 存放模型以外的东西（编译出的引擎、puna tune 的结果、在 puna run 里输入过的内容）的目录",
    "PUNA_ENGINE": "所有模型用的引擎：portable、编译出的引擎的名字，或 llama-server 的路径；不设则按 puna engine use",
    "OLLAMA_KEEP_ALIVE": "最后一次请求之后，模型在内存里保留多久；负数表示一直保留",
    "OLLAMA_LOAD_TIMEOUT": "加载模型时允许没有进展的时间；0 或负数表示不限",
    "OLLAMA_CONTEXT_LENGTH": "上下文长度（token 数）；0 表示用模型自己的长度，内存不够时再缩短",
    "OLLAMA_NUM_PARALLEL": "一个模型同时回答几个请求；0 表示按内存决定",
    "OLLAMA_MAX_LOADED_MODELS": "内存里最多同时放几个模型；0 表示放得下就放",
    "OLLAMA_MAX_QUEUE": "最多有多少请求排队；再多就返回 503",
    "OLLAMA_KV_CACHE_TYPE": "KV 缓存的数值格式；不设则用 f16，或 puna tune 测出的格式",
    "OLLAMA_FLASH_ATTENTION": "是否启用 flash attention；不设则在 CPU 上只用 puna engine build 所建引擎的，"
    "此外由引擎决定，或按 puna tune 的结果",
    "OLLAMA_GO_TEMPLATE": "模型文件里也有 Jinja 模板时，是否仍用模型的 Go 模板；不设则用能做得更多的那个",
    "OLLAMA_ORIGINS": "除本机外，还允许哪些来源的网页调用 API（逗号分隔，可用 *）",
    "OLLAMA_BASIC_AUTH": "每个请求都必须带上的用户名和密码（HTTP Basic），写作 user:password",
    "OLLAMA_API_KEY": "客户端命令出示给服务的密钥（puna key create）",
    "PUNA_TLS_CERT": "服务用来提供 HTTPS 的证书（PEM，含证书链）；更新后自动重新读取",
    "PUNA_TLS_KEY": "证书的私钥；不设表示在同一个文件里",
    "PUNA_TLS_CA": "除系统的之外，客户端命令还信任的证书（PEM）",
    "OLLAMA_DEBUG": "输出更多日志，并显示命令在哪里出错",
    "PUNA_LOG_FORMAT": "日志的格式：text（文本）或 json",
    "PUNA_LOG_FILE": "服务把日志写进哪个文件；不设则写到标准错误",
    "PUNA_LOG_FILE_SIZE": "日志文件到多大就换新的，旧的保留四个；0 表示等别的程序把它移走再换",
    "PUNA_TRACES": "用 OpenTelemetry 上报每个请求，去向由 OTEL_* 变量决定；需要附加项 puna[traces]",
    "PUNA_RECORD": "把请求和回答加密保存下来，以便重放（puna replay）",
    "PUNA_RECORD_KEY": "一个文件，其内容就是录制的密钥；不设则为 PUNA_HOME 里的 record.key，会自动生成",
    "PUNA_RECORD_SIZE": "录制的请求最多占多少磁盘；满了先删最旧的",
    "PUNA_RECORD_AGE": "录制的请求保留多久；负数表示一直保留",
    "PUNA_ALLOW_OPEN": "明确同意：不设密码也监听别人能访问的地址",
    "PUNA_MAX_BODY": "请求体的大小上限（上传 blob 除外）；超过则返回 413",
    "PUNA_CLIENT_TIMEOUT": "客户端发完请求头最多可用多久，发送请求体时最多可停顿多久；0 或负数表示不限",
    "PUNA_TRUSTED_PROXIES": "可信的代理（地址或网段，逗号分隔），相信它们的 X-Forwarded-For；不设则都不信",
    "PUNA_TRUNCATE": "提示超出上下文时丢弃最早的消息；设为 false 则返回 400",
    "PUNA_MIRRORS": "从镜像拉取：仓库=地址，……（默认 https，除非写明 http://）",
    "PUNA_ALLOWED_REGISTRIES": "只允许与这些仓库往来；不设则不限",
    "PUNA_ALLOW_PRIVATE_REGISTRIES": "允许其他机器上的客户端让本服务从内网的仓库拉取",
    "PUNA_SHARE": "允许其他机器从本服务器拉取的模型（名称模式，逗号分隔；* 为全部）；不设：不提供",
    "PUNA_PEERS": "除仓库外还可以同时从哪些 Puna 拉取模型：地址，……（默认 https，除非写明 http://）",
    "PUNA_MEDIA_HOSTS": "请求可以用 URL 引用其中图片和声音的内网主机（主机或主机:端口）；none 表示不取任何 URL",
    "PUNA_REGISTRY_AUTH": "各仓库的登录：主机=用户名:密码，……",
    "PUNA_STALL_TIMEOUT": "模型进程多久没有进展就换一个新的；0 或负数表示不限",
    "PUNA_MEMORY_MARGIN": "模型进程可以比为它计划的内存多占多少，超过就换掉；0 表示不限",
    "OLLAMA_EDITOR": "在 puna run 里写长消息用的编辑器（Ctrl + g）；不设则用 VISUAL，再用 EDITOR",
    "PUNA_SESSIONS": "模型离开内存后，用多少磁盘保存各个对话的缓存；0 表示不保存",
    "PUNA_RESPONSES": "每个密钥最多用多少磁盘保存 Responses API 的响应和对话；0 表示不保存",
    "PUNA_RESPONSES_AGE": "保存的响应和对话在最后一次使用之后保留多久；负数表示一直保留",
    "PUNA_BATCHES": "每个密钥最多用多少磁盘保存批处理的文件和回答；0 表示不接受批处理",
    "PUNA_BATCHES_AGE": "文件，以及结束后的批处理，保留多久；负数表示一直保留",
    "PUNA_BATCH_PARALLEL": "同时处理多少个批处理的请求",
    "PUNA_BATCH_HOURS": "每天（本地时间）处理批处理请求的时段（22:00-06:30）；不设则全天",
    "OLLAMA_NOHISTORY": "puna run 结束后不保留输入过的内容",
    "PUNA_NODE_LABELS": "这台机器在集群里的标签，模型可以要求",
    "PUNA_HIDE_BUILTIN": "列表里不显示内置模型 cria",
    "PUNA_CONFIG": "设置文件，优先于 /etc/puna.toml 和 ~/.config/puna/config.toml；/dev/null 表示不读任何文件",
    "PUNA_TESTING": "只由 puna.testing 设置：测试通过一组专用路由规定本服务的回答，这是那些路由的钥匙",
}


def table(head: tuple[str, str, str], rows: Iterable[tuple[str, str, str]]) -> str:
    """Return a Markdown table of variables, defaults and meanings."""
    lines = [f"| {' | '.join(head)} |", "|---|---|---|"]
    for variable, default, meaning in rows:
        lines.append(f"| `{variable}` | {f'`{default}`' if default else ''} | {meaning} |")
    return "\n".join(lines) + "\n"


def _write(readme: Path, text: str) -> None:
    before, begin, rest = readme.read_text(encoding="utf-8").partition(_BEGIN)
    _, end, after = rest.partition(_END)
    if not begin or not end:
        sys.exit(f"{readme.name} has no place for the table: {_BEGIN.strip()} … {_END}")
    readme.write_text(f"{before}{begin}{text}{end}{after}", encoding="utf-8")


def main() -> None:
    """Write both tables, or say which Chinese meanings are missing above."""
    missing = [entry.variable for entry in SETTINGS if entry.variable not in _CHINESE]
    if missing:
        sys.exit(f"no Chinese meaning for {', '.join(missing)}")
    english = [(entry.variable, entry.default, entry.help) for entry in SETTINGS]
    chinese = [(entry.variable, entry.default, _CHINESE[entry.variable]) for entry in SETTINGS]
    _write(_ROOT / "README.md", table(("setting", "default", "meaning"), english))
    _write(_ROOT / "README.zh-CN.md", table(("设置", "默认值", "含义"), chinese))


if __name__ == "__main__":
    main()
