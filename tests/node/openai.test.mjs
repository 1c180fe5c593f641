// The official client of OpenAI's API.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import OpenAI, { toFile } from 'openai';
import { zodResponseFormat } from 'openai/helpers/zod';
import { z } from 'zod';
import { all, ASKS_WEATHER, MODEL, SKY, SUM, URL, WEATHER } from './asking.mjs';

const client = new OpenAI({ baseURL: `${URL}/v1`, apiKey: 'unused', maxRetries: 0 });
const usual = { model: MODEL, messages: [{ role: 'user', content: SKY }], temperature: 0, max_tokens: 12 };
const tools = [{ type: 'function', function: WEATHER }];

test('chat', async () => {
  const answer = await client.chat.completions.create(usual);
  assert.ok(answer.choices[0].message.content);
  assert.equal(answer.usage.total_tokens, answer.usage.prompt_tokens + answer.usage.completion_tokens);
  const chunks = await all(
    await client.chat.completions.create({ ...usual, stream: true, stream_options: { include_usage: true } }),
  );
  const said = chunks.map((chunk) => chunk.choices[0]?.delta.content ?? '').join('');
  assert.equal(said, answer.choices[0].message.content);
  assert.equal(chunks.at(-1).usage.total_tokens, answer.usage.total_tokens);
});

test('several answers, their log probabilities, stop strings, biases and seeds', async () => {
  const more = { n: 2, logprobs: true, top_logprobs: 2, seed: 7, temperature: 1, stop: ['\n'], logit_bias: { 5: -100 } };
  const answer = await client.chat.completions.create({ ...usual, ...more });
  assert.equal(answer.choices.length, 2);
  for (const choice of answer.choices) assert.equal(choice.logprobs.content[0].top_logprobs.length, 2);
  const runner = client.chat.completions.stream({ ...usual, ...more });
  assert.deepEqual(
    (await runner.finalChatCompletion()).choices.map((choice) => choice.message.content),
    answer.choices.map((choice) => choice.message.content),
  );
});

test('parts and roles', async () => {
  const messages = [
    { role: 'developer', content: 'Be brief.' },
    { role: 'user', content: [{ type: 'text', text: 'Why is ' }, { type: 'text', text: 'the sky blue?' }] },
    { role: 'assistant', content: [{ type: 'text', text: 'Air.' }], name: 'me' },
    { role: 'user', content: SKY, name: 'you' },
  ];
  assert.ok((await client.chat.completions.create({ ...usual, messages })).choices[0].message.content);
});

test('calls that are forced, and what became of them', async () => {
  const asked = { ...usual, max_tokens: 100, messages: [{ role: 'user', content: ASKS_WEATHER }], tools };
  for (const tool_choice of ['required', { type: 'function', function: { name: 'get_weather' } }]) {
    const whole = await client.chat.completions.create({ ...asked, tool_choice, parallel_tool_calls: false });
    const [call] = whole.choices[0].message.tool_calls;
    assert.equal(whole.choices[0].finish_reason, 'tool_calls');
    assert.equal(typeof JSON.parse(call.function.arguments).city, 'string');
    const streamed = await client.chat.completions
      .stream({ ...asked, tool_choice, parallel_tool_calls: false })
      .finalChatCompletion();
    assert.equal(streamed.choices[0].message.tool_calls[0].function.arguments, call.function.arguments);
    const result = { role: 'tool', tool_call_id: call.id, content: 'Sunny.' };
    const messages = [...asked.messages, whole.choices[0].message, result];
    assert.ok((await client.chat.completions.create({ ...asked, messages, tool_choice: 'none' })).choices[0].message);
  }
});

test('functions that the client runs itself', async () => {
  const seen = [];
  const run = { ...WEATHER, parse: JSON.parse, function: (args) => (seen.push(args.city), 'Sunny.') };
  const runner = client.chat.completions.runTools(
    {
      ...usual,
      max_tokens: 100,
      messages: [{ role: 'user', content: ASKS_WEATHER }],
      tools: [{ type: 'function', function: run }],
    },
    { maxChatCompletions: 2 },
  );
  await runner.done();
  assert.equal(seen.length, 1);
});

test('answers in a format', async () => {
  const form = { type: 'json_schema', json_schema: { name: 'sum', strict: true, schema: SUM } };
  const asked = { ...usual, max_tokens: 60, response_format: form };
  assert.equal(typeof JSON.parse((await client.chat.completions.create(asked)).choices[0].message.content).total, 'number');
  const parsed = await client.chat.completions.parse({
    ...asked,
    response_format: zodResponseFormat(z.object({ total: z.number().int() }), 'sum'),
  });
  assert.equal(typeof parsed.choices[0].message.parsed.total, 'number');
});

test('completions', async () => {
  const asked = { model: MODEL, prompt: ['The sky is', 'Grass is'], max_tokens: 6, temperature: 0, echo: true };
  const answer = await client.completions.create(asked);
  assert.ok(answer.choices[0].text.startsWith('The sky is'));
  const chunks = await all(await client.completions.create({ ...asked, stream: true }));
  const said = chunks.flatMap((chunk) => chunk.choices).filter((choice) => choice.index === 1);
  assert.equal(said.map((choice) => choice.text).join(''), answer.choices[1].text);
});

test('embeddings, which the client asks for in base64', async () => {
  const [one] = (await client.embeddings.create({ model: MODEL, input: SKY })).data;
  const [other] = (await client.embeddings.create({ model: MODEL, input: [SKY], encoding_format: 'float' })).data;
  assert.equal(one.embedding.length, other.embedding.length);
  assert.ok(Math.abs(one.embedding[3] - other.embedding[3]) < 1e-6);
  assert.equal((await client.embeddings.create({ model: MODEL, input: SKY, dimensions: 8 })).data[0].embedding.length, 8);
});

test('models', async () => {
  assert.ok((await all(client.models.list())).some((model) => model.id.startsWith(MODEL)));
  assert.equal((await client.models.retrieve(MODEL)).id, MODEL);
});

test('responses', async () => {
  const asked = { model: MODEL, input: SKY, max_output_tokens: 12, temperature: 0 };
  const whole = await client.responses.create({ ...asked, instructions: 'Be brief.', metadata: { topic: 'sky' } });
  assert.ok(whole.output_text);
  const final = await client.responses.stream({ ...asked, instructions: 'Be brief.' }).finalResponse();
  assert.equal(final.output_text, whole.output_text);
  const events = await all(await client.responses.create({ ...asked, stream: true }));
  assert.deepEqual(events.map((event) => event.sequence_number), [...events.keys()]);
  const next = await client.responses.create({ ...asked, input: 'And at night?', previous_response_id: whole.id });
  assert.equal(next.previous_response_id, whole.id);
  assert.equal((await client.responses.retrieve(whole.id)).output_text, whole.output_text);
  assert.equal((await all(client.responses.inputItems.list(whole.id))).length, 1);
  assert.ok((await client.responses.inputTokens.count({ model: MODEL, input: SKY })).input_tokens > 0);
  await client.responses.delete(whole.id);
  await assert.rejects(client.responses.retrieve(whole.id), OpenAI.NotFoundError);
});

test('responses with calls, formats, and in the background', async () => {
  const asked = { model: MODEL, temperature: 0, max_output_tokens: 100 };
  const called = await client.responses.create({
    ...asked,
    input: ASKS_WEATHER,
    tools: [{ type: 'function', ...WEATHER, strict: false }],
    tool_choice: 'required',
  });
  const call = called.output.find((item) => item.type === 'function_call');
  assert.equal(call.name, 'get_weather');
  const output = { type: 'function_call_output', call_id: call.call_id, output: 'Sunny.' };
  const after = await client.responses.create({ ...asked, previous_response_id: called.id, input: [output] });
  assert.equal(after.status, 'completed');
  const format = { type: 'json_schema', name: 'sum', schema: SUM, strict: true };
  const parsed = await client.responses.parse({ ...asked, input: 'What is 3 + 4?', text: { format } });
  assert.equal(typeof JSON.parse(parsed.output_text).total, 'number');
  let running = await client.responses.create({ ...asked, input: SKY, background: true });
  while (['queued', 'in_progress'].includes(running.status)) {
    await new Promise((done) => setTimeout(done, 50));
    running = await client.responses.retrieve(running.id);
  }
  assert.match(running.status, /completed|incomplete/);
  const again = await all(await client.responses.retrieve(running.id, { stream: true, starting_after: 1 }));
  assert.equal(again[0].sequence_number, 2);
});

test('conversations, files and batches', async () => {
  const conversation = await client.conversations.create({ items: [{ role: 'user', content: SKY }] });
  await client.responses.create({ model: MODEL, input: 'Go on.', max_output_tokens: 5, conversation: conversation.id });
  assert.equal((await all(client.conversations.items.list(conversation.id))).length, 3);
  await client.conversations.delete(conversation.id);
  const line = { custom_id: 'a', method: 'POST', url: '/v1/chat/completions', body: usual };
  const file = await client.files.create({
    file: await toFile(Buffer.from(JSON.stringify(line)), 'a.jsonl'),
    purpose: 'batch',
  });
  const asked = { input_file_id: file.id, endpoint: '/v1/chat/completions', completion_window: '24h' };
  let batch = await client.batches.create(asked);
  while (!['completed', 'failed'].includes(batch.status)) {
    await new Promise((done) => setTimeout(done, 100));
    batch = await client.batches.retrieve(batch.id);
  }
  const answers = await (await client.files.content(batch.output_file_id)).text();
  assert.ok(JSON.parse(answers).response.body.choices[0].message.content);
});

test('errors', async () => {
  await assert.rejects(client.chat.completions.create({ ...usual, model: 'nobody' }), (error) => {
    assert.ok(error instanceof OpenAI.NotFoundError);
    assert.equal(error.code, 'model_not_found');
    return true;
  });
  await assert.rejects(client.chat.completions.create({ ...usual, n: 0 }), (error) => {
    assert.ok(error instanceof OpenAI.BadRequestError);
    assert.equal(error.param, 'n');
    return true;
  });
  await assert.rejects(client.moderations.create({ input: 'x' }), OpenAI.NotFoundError);
});

test('a client that goes away', async () => {
  const stream = await client.chat.completions.create({ ...usual, max_tokens: 2000, stream: true });
  for await (const chunk of stream) if (chunk) break;
});
