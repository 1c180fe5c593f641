// The official client of Ollama's API.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Ollama } from 'ollama';
import { all, ASKS_WEATHER, MODEL, SKY, SUM, URL, WEATHER } from './asking.mjs';

const client = new Ollama({ host: URL });
const options = { temperature: 0, num_predict: 12 };
const messages = [{ role: 'user', content: SKY }];

test('generate', async () => {
  const whole = await client.generate({ model: MODEL, prompt: SKY, options });
  const pieces = await all(await client.generate({ model: MODEL, prompt: SKY, options, stream: true }));
  assert.equal(pieces.map((piece) => piece.response).join(''), whole.response);
  assert.ok(pieces.at(-1).done);
  assert.ok((await client.generate({ model: MODEL, prompt: SKY, options, raw: true, logprobs: true })).logprobs.length);
});

test('chat', async () => {
  const whole = await client.chat({ model: MODEL, messages, options, keep_alive: '5m' });
  const pieces = await all(await client.chat({ model: MODEL, messages, options, stream: true }));
  assert.equal(pieces.map((piece) => piece.message.content).join(''), whole.message.content);
  const form = await client.chat({ model: MODEL, messages, options: { ...options, num_predict: 60 }, format: SUM });
  assert.equal(typeof JSON.parse(form.message.content).total, 'number');
});

test('calls', async () => {
  const asked = { model: MODEL, messages: [{ role: 'user', content: ASKS_WEATHER }], options: { temperature: 0 } };
  const tools = [{ type: 'function', function: WEATHER }];
  const whole = await client.chat({ ...asked, tools });
  assert.deepEqual(whole.message.tool_calls[0].function.arguments, { city: 'Lhasa' });
  const pieces = await all(await client.chat({ ...asked, tools, stream: true }));
  const calls = pieces.flatMap((piece) => piece.message.tool_calls ?? []);
  assert.equal(calls[0].function.name, 'get_weather');
  const result = { role: 'tool', tool_name: 'get_weather', content: 'Sunny.' };
  assert.ok(await client.chat({ ...asked, tools, messages: [...asked.messages, whole.message, result] }));
});

test('embed', async () => {
  const found = await client.embed({ model: MODEL, input: ['a', 'b'] });
  assert.equal(found.embeddings.length, 2);
  assert.equal((await client.embeddings({ model: MODEL, prompt: 'a' })).embedding.length, found.embeddings[0].length);
});

test('models', async () => {
  await client.create({ model: 'from-node', from: MODEL, system: 'Be brief.' });
  const steps = await all(await client.create({ model: 'from-node', from: MODEL, stream: true }));
  assert.equal(steps.at(-1).status, 'success');
  await client.copy({ source: 'from-node', destination: 'from-node-2' });
  const names = (await client.list()).models.map((model) => model.name);
  assert.ok(names.includes('from-node-2:latest'));
  assert.ok((await client.show({ model: 'from-node' })).capabilities.includes('completion'));
  assert.ok((await client.ps()).models.length);
  for (const model of ['from-node', 'from-node-2']) assert.equal((await client.delete({ model })).status, 'success');
  assert.ok((await client.version()).version);
});

test('errors and abortion', async () => {
  await assert.rejects(client.chat({ model: 'nobody', messages }), /model 'nobody' not found/);
  const stream = await client.generate({ model: MODEL, prompt: SKY, options: { num_predict: 2000 }, stream: true });
  stream.abort();
  await assert.rejects(all(stream), { name: 'AbortError' });
});
