"""The server that commands talk to: plain objects go in and come out, with the user's address and credentials."""

import json
import ssl
from collections.abc import Iterable, Iterator, Mapping
from typing import IO, Any, Self

import httpx

from puna import __version__
from puna.cli.errors import CommandError
from puna.settings import Settings

NOT_FOUND = 404
_DATA, _DONE = "data: ", "data: [DONE]"
_SHOWN = 20


class ServerError(CommandError):
    """The server refused; the text is its own."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class Client:
    """A client of the configured server. Every method raises ``ServerError`` and ``CommandError``."""

    def __init__(self, settings: Settings, timeout: float | None = None) -> None:
        """``timeout`` is how many seconds an answer may take to begin and to go on, none for as long as it likes."""
        self.url = settings.url
        login = settings.basic_auth
        key = {b"Authorization": f"Bearer {settings.api_key}".encode()} if settings.api_key and not login else {}
        # A proxy is for other machines, and httpx would send it what is for this one.
        self._http = httpx.Client(
            base_url="http://localhost" if settings.address.path else self.url,
            transport=httpx.HTTPTransport(uds=settings.address.path) if settings.address.path else None,
            auth=(login.user, login.password) if login else None,
            timeout=timeout,
            verify=_trusted(settings),
            trust_env=not settings.address.is_loopback,
            headers={b"User-Agent": f"puna/{__version__}".encode(), **key},
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self._http.close()

    def answers(self) -> bool:
        """Return whether a server is there, whatever it says; raise where TLS stands between it and us."""
        try:
            self._http.get("/api/version")
        except httpx.TransportError as error:
            if reason := _why_not(error, self.url):
                raise CommandError(reason) from error
            return False
        return True

    def lets_anybody_in(self) -> bool:
        """Return whether a server is there that answers without key or login."""
        try:
            request = self._http.build_request("GET", "/api/version")
            request.headers.pop("Authorization", None)
            return self._http.send(request, auth=None).is_success
        except httpx.TransportError:
            return False

    def get(self, path: str) -> dict[str, Any]:
        """Return the object that answers a GET request."""
        return self._one("GET", path, None)

    def patch(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Return the object that answers a PATCH request."""
        return self._one("PATCH", path, body)

    def post(self, path: str, body: Mapping[str, Any], request_id: str = "") -> dict[str, Any]:
        """Return the object that answers a POST request, none for an empty answer; ``request_id`` as for ``lines``."""
        return self._one("POST", path, body, request_id)

    def delete(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Return the object that answers a DELETE request, none for an empty answer."""
        return self._one("DELETE", path, body)

    def lines(self, path: str, body: Mapping[str, Any], request_id: str = "") -> Iterator[dict[str, Any]]:
        """Yield the objects of a streamed answer as they come; an error among them ends it.

        ``request_id`` is the name under which the server's queue has the request.
        """
        content = _encode(body)
        headers = _headers(content, request_id)
        with self._explained(), self._http.stream("POST", path, content=content, headers=headers) as response:
            if response.is_error:
                response.read()
                raise _refusal(response)
            for line in response.iter_lines():
                answer = _decode(line, self.url)
                if "error" in answer:
                    raise ServerError(str(answer["error"]), response.status_code)
                yield answer

    def events(self, path: str, body: Mapping[str, Any], headers: Mapping[str, str]) -> Iterator[dict[str, Any]]:
        """Yield the objects of a stream of server-sent events as they come; an error among them ends it."""
        with (
            self._explained(),
            self._http.stream("POST", path, content=_encode(body), headers=dict(headers)) as response,
        ):
            if response.is_error:
                response.read()
                raise _refusal(response)
            for line in response.iter_lines():
                if line.startswith(_DATA) and line != _DONE:
                    event = _decode(line.removeprefix(_DATA), self.url)
                    if event.get("error"):
                        raise ServerError(_message(event["error"]), response.status_code)
                    yield event

    def has_blob(self, digest: str) -> bool:
        """Return whether the server has a blob."""
        with self._explained():
            response = self._http.head(f"/api/blobs/{digest}")
        if response.status_code == NOT_FOUND:
            return False
        if response.is_error:
            raise _refusal(response)
        return True

    def send_blob(self, digest: str, parts: Iterable[bytes]) -> None:
        """Upload a blob in parts."""
        with self._explained():
            response = self._http.post(f"/api/blobs/{digest}", content=parts)
        if response.is_error:
            raise _refusal(response)

    def upload(self, path: str, name: str, file: IO[bytes]) -> dict[str, Any]:
        """Send a file for batches, as it lies on the disk, and return what the server says of it."""
        with self._explained():
            response = self._http.post(path, files={"file": (name, file)}, data={"purpose": "batch"})
        if response.is_error:
            raise _refusal(response)
        return _decode(response.text, self.url)

    def parts(self, path: str) -> Iterator[bytes]:
        """Yield the bytes that answer a GET request as they come."""
        with self._explained(), self._http.stream("GET", path) as response:
            if response.is_error:
                response.read()
                raise _refusal(response)
            yield from response.iter_bytes()

    def _one(self, method: str, path: str, body: Mapping[str, Any] | None, request_id: str = "") -> dict[str, Any]:
        with self._explained():
            content = None if body is None else _encode(body)
            response = self._http.request(method, path, content=content, headers=_headers(content, request_id))
        if response.is_error:
            raise _refusal(response)
        answer = _decode(response.text, self.url) if response.content else {}
        if answer.keys() == {"error"}:  # with status 200: LM Studio, of a route that it has not got
            raise ServerError(_message(answer["error"]), response.status_code)
        return answer

    def _explained(self) -> "_Explained":
        return _Explained(self.url)


def _trusted(settings: Settings) -> ssl.SSLContext | bool:
    """Return whose certificates count: those of the system, and those of ``PUNA_TLS_CA``."""
    if settings.tls_ca is None:
        return True
    context = ssl.create_default_context()
    try:
        context.load_verify_locations(settings.tls_ca)
    except (ssl.SSLError, OSError) as error:
        reason = "it has no certificates" if isinstance(error, ssl.SSLError) else error.strerror
        raise CommandError(f"{settings.tls_ca}: {reason} (PUNA_TLS_CA)") from error
    return context


def _why_not(error: httpx.TransportError, url: str) -> str:
    """Return why nothing can be heard of the server that is there, "" where none is."""
    inner: BaseException | None = error
    while inner and not isinstance(inner, ssl.SSLError):
        inner = inner.__cause__ or inner.__context__
    match inner:
        case ssl.SSLCertVerificationError():
            return (
                f"the certificate of {url} is not trusted: {inner.verify_message} (PUNA_TLS_CA names others to trust)"
            )
        case ssl.SSLError():
            return f"what answers at {url} does not speak HTTPS (OLLAMA_HOST)"
    if isinstance(error, httpx.RemoteProtocolError) and url.startswith("http:"):
        return f"what is at {url} ended the connection without an answer; is it https:// (OLLAMA_HOST)?"
    return ""


class _Explained:
    """Turns the errors of a connection into one sentence."""

    def __init__(self, url: str) -> None:
        self._url = url

    def __enter__(self) -> None:
        pass

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, httpx.HTTPError | httpx.InvalidURL):
            reason = str(error) or type(error).__name__
            raise CommandError(f"the connection to {self._url} failed: {reason}") from error


def _headers(content: bytes | None, request_id: str) -> dict[str, str]:
    named = {"X-Request-Id": request_id} if request_id else {}
    return named | ({"Content-Type": "application/json"} if content else {})


def _encode(body: Mapping[str, Any]) -> bytes:
    try:
        return json.dumps(body, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:  # bytes of an argument that are no text, as Python keeps them
        around = str(error.object)[max(0, error.start - _SHOWN) : error.end + _SHOWN]
        raise CommandError(f"this is not UTF-8: {around!a}") from None


def _decode(text: str, url: str) -> dict[str, Any]:
    try:
        answer = json.loads(text)
    except (ValueError, RecursionError):
        answer = None
    if not isinstance(answer, dict):
        raise CommandError(f"what answers at {url} is not such a server (OLLAMA_HOST)")
    return answer


def _message(error: Any) -> str:
    """Return the words of an error, which some dialects have in an object."""
    told = error.get("message") if isinstance(error, dict) else error
    return told if isinstance(told, str) else json.dumps(error)


def _refusal(response: httpx.Response) -> ServerError:
    """Return the error that an answer is."""
    try:
        text = _message(response.json()["error"])
    except (ValueError, KeyError, TypeError, RecursionError):
        text = ""
    return ServerError(text or _unsaid(response), response.status_code)


def _unsaid(response: httpx.Response) -> str:
    """Return words for an error that has none of its own, as Ollama's of a route that it has not got."""
    if response.status_code == NOT_FOUND:
        url = response.request.url
        return f"what answers at {url.scheme}://{url.netloc.decode()} knows no {url.path}; is it Puna? (puna doctor)"
    return f"the server answered with status {response.status_code}"
