// The AI SDK through each of its providers.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createAnthropic } from '@ai-sdk/anthropic';
import { createOpenAI } from '@ai-sdk/openai';
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { embed, generateText, Output, stepCountIs, streamText, tool } from 'ai';
import { createOllama } from 'ollama-ai-provider-v2';
import { z } from 'zod';
import { all, ASKS_WEATHER, MODEL, SKY, URL } from './asking.mjs';

const openai = createOpenAI({ baseURL: `${URL}/v1`, apiKey: 'unused' });
const compatible = createOpenAICompatible({
  name: 'puna',
  baseURL: `${URL}/v1`,
  includeUsage: true,
  supportsStructuredOutputs: true,
});
const anthropic = createAnthropic({ baseURL: `${URL}/v1`, apiKey: 'unused' });
const ollama = createOllama({ baseURL: `${URL}/api` });
const models = {
  'openai responses': openai.responses(MODEL),
  'openai chat': openai.chat(MODEL),
  'openai-compatible': compatible.chatModel(MODEL),
  anthropic: anthropic(MODEL),
  ollama: ollama(MODEL),
};
const usual = { maxOutputTokens: 40, maxRetries: 0, temperature: 0 };

for (const [name, model] of Object.entries(models)) {
  test(`${name}: text`, async () => {
    const whole = await generateText({ ...usual, model, prompt: SKY });
    assert.ok(whole.text);
    assert.ok(whole.usage.outputTokens > 0);
    const streamed = streamText({ ...usual, model, prompt: SKY });
    assert.equal((await all(streamed.textStream)).join(''), whole.text);
    assert.ok((await streamed.usage).inputTokens > 0);
  });

  test(`${name}: calls`, async () => {
    const seen = [];
    const get_weather = tool({
      description: 'Tell the weather of a city',
      inputSchema: z.object({ city: z.string() }),
      execute: ({ city }) => (seen.push(city), 'Sunny.'),
    });
    const asked = { ...usual, maxOutputTokens: 120, model, prompt: ASKS_WEATHER, tools: { get_weather } };
    const whole = await generateText({ ...asked, stopWhen: stepCountIs(2) });
    assert.equal(whole.steps[0].toolCalls[0].toolName, 'get_weather');
    const streamed = streamText({ ...asked, stopWhen: stepCountIs(2) });
    await streamed.consumeStream();
    assert.equal((await streamed.steps)[0].finishReason, 'tool-calls');
    assert.equal(seen.length, 2);
  });

  test(`${name}: an object`, async () => {
    const output = Output.object({ schema: z.object({ total: z.number().int() }) });
    const { output: made } = await generateText({ ...usual, model, prompt: 'What is 3 + 4?', output });
    assert.equal(typeof made.total, 'number');
    const streamed = streamText({ ...usual, model, prompt: 'What is 3 + 4?', output });
    assert.equal(typeof (await all(streamed.partialOutputStream)).at(-1).total, 'number');
  });
}

for (const [name, model] of Object.entries({
  openai: openai.embedding(MODEL),
  'openai-compatible': compatible.textEmbeddingModel(MODEL),
  ollama: ollama.embedding(MODEL),
})) {
  test(`${name}: embeddings`, async () => {
    assert.ok((await embed({ model, value: SKY })).embedding.length > 8);
  });
}
