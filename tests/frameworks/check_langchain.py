"""LangChain's standard integration tests, through each of its packages for a dialect."""

import os

from langchain_anthropic import ChatAnthropic
from langchain_ollama import ChatOllama, OllamaEmbeddings
from langchain_openai import ChatOpenAI, OpenAIEmbeddings
from langchain_tests.integration_tests import ChatModelIntegrationTests, EmbeddingsIntegrationTests

URL = os.environ["PUNA_URL"]
MODEL = "cria"


class TestOllama(ChatModelIntegrationTests):
    @property
    def chat_model_class(self):
        return ChatOllama

    @property
    def chat_model_params(self):
        return {"model": MODEL, "base_url": URL, "temperature": 0, "num_predict": 200}

    @property
    def has_tool_choice(self):
        return False


class TestOpenAI(ChatModelIntegrationTests):
    @property
    def chat_model_class(self):
        return ChatOpenAI

    @property
    def chat_model_params(self):
        return {
            "model": MODEL,
            "base_url": f"{URL}/v1",
            "api_key": "x",
            "temperature": 0,
            "max_tokens": 200,
            "stream_usage": True,
        }


class TestResponses(TestOpenAI):
    @property
    def chat_model_params(self):
        return super().chat_model_params | {"use_responses_api": True}


class TestAnthropic(ChatModelIntegrationTests):
    @property
    def chat_model_class(self):
        return ChatAnthropic

    @property
    def chat_model_params(self):
        return {"model": MODEL, "base_url": URL, "api_key": "x", "temperature": 0, "max_tokens": 200}


class TestOllamaEmbeddings(EmbeddingsIntegrationTests):
    @property
    def embeddings_class(self):
        return OllamaEmbeddings

    @property
    def embedding_model_params(self):
        return {"model": MODEL, "base_url": URL}


class TestOpenAIEmbeddings(EmbeddingsIntegrationTests):
    @property
    def embeddings_class(self):
        return OpenAIEmbeddings

    @property
    def embedding_model_params(self):
        return {"model": MODEL, "base_url": f"{URL}/v1", "api_key": "x", "check_embedding_ctx_length": False}
