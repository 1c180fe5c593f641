"""What can go wrong in a runner."""

from puna.errors import BadRequestError, PunaError


class ModelLoadError(PunaError):
    """The engine could not load a model; the text carries the engine's reason.

    ``killed`` tells that somebody ended the process, as a system without memory does, which another try may escape;
    ``files_at_fault`` that no try can succeed because of what the model's files say, so that the status is 400.
    """

    def __init__(
        self, message: str, *, out_of_memory: bool = False, killed: bool = False, files_at_fault: bool = False
    ) -> None:
        super().__init__(message)
        self.status = BadRequestError.status if files_at_fault else PunaError.status
        self.out_of_memory = out_of_memory
        self.killed = killed


class RunnerCrashedError(PunaError):
    """The runner's process ended while a request needed it.

    ``signal`` is what ended it, 0 if none did or that is unknown; ``word`` names the kind of loss for metrics.
    ``suspect`` tells that a request may have been the cause, ``alone`` that no other can have been.
    """

    signal = 0
    word = "crashed"
    suspect = False
    alone = False


class EngineError(PunaError):
    """The engine answered with an error that is not the caller's fault."""


class UnreadableAnswerError(EngineError):
    """The engine's chat endpoint cannot read what its model said, which is not in the form that the template wants."""


class EngineRequestError(BadRequestError):
    """The engine refused what was asked (a bad grammar, an image it cannot read …)."""


class UnreadGrammarError(EngineRequestError):
    """The engine cannot read a grammar: the caller's, or one that it has made itself of what functions take."""

    def __init__(self) -> None:
        super().__init__("the grammar cannot be read; what stands between < and > must be one token of the model")


class TemplateError(EngineRequestError):
    """The model's own chat template cannot be used."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"the chat template inside the model cannot be used: {reason}")


class TemplateTimeoutError(TemplateError):
    """The model's own chat template did not come to an end; the runner goes on with it until it is ended."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"it did not come to an end within {seconds:g} seconds with these messages")
        self.seconds = seconds


class ContextExceededError(BadRequestError):
    """A prompt has more tokens than the context holds.

    ``known_as`` are the words after which agents shorten a conversation and go on.
    """

    code = "context_length_exceeded"

    def __init__(self, prompt_tokens: int, context: int) -> None:
        super().__init__(f"the input has {prompt_tokens} tokens, which exceeds the context length of {context} tokens")
        self.known_as = f"prompt is too long: {prompt_tokens} tokens > {context} maximum context length"
        self.prompt_tokens = prompt_tokens
        self.context = context
