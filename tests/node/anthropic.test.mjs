// The official client of Anthropic's API.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import Anthropic from '@anthropic-ai/sdk';
import { all, ASKS_WEATHER, HOT, MODEL, SKY, SUM, URL } from './asking.mjs';

const client = new Anthropic({ baseURL: URL, apiKey: 'unused', maxRetries: 0 });
const usual = { model: MODEL, max_tokens: 12, messages: [{ role: 'user', content: SKY }], thinking: { type: 'disabled' } };
const tools = [{ name: 'get_weather', description: 'Tell the weather of a city', input_schema: HOT }];
const texts = (message) => message.content.filter((block) => block.type === 'text').map((block) => block.text).join('');

test('messages', async () => {
  const whole = await client.messages.create({ ...usual, system: [{ type: 'text', text: 'Be brief.' }] });
  assert.ok(texts(whole));
  assert.equal(whole.stop_reason, 'max_tokens');
  const stream = client.messages.stream({ ...usual, stop_sequences: [' '] });
  const streamed = await stream.finalMessage();
  assert.equal(streamed.stop_reason, 'stop_sequence');
  assert.equal(streamed.stop_sequence, ' ');
  const events = await all(await client.messages.create({ ...usual, stream: true }));
  assert.equal(events[0].type, 'message_start');
  assert.equal(events.at(-1).type, 'message_stop');
});

test('counts are exact', async () => {
  const { max_tokens, ...counted } = usual;
  const { input_tokens } = await client.messages.countTokens(counted);
  const { usage } = await client.messages.create(usual);
  assert.equal(input_tokens, usage.input_tokens + usage.cache_read_input_tokens + usage.cache_creation_input_tokens);
});

test('calls and their results', async () => {
  const asked = { ...usual, max_tokens: 100, messages: [{ role: 'user', content: ASKS_WEATHER }], tools };
  for (const tool_choice of [{ type: 'any' }, { type: 'tool', name: 'get_weather', disable_parallel_tool_use: true }]) {
    const whole = await client.messages.create({ ...asked, tool_choice });
    const call = whole.content.find((block) => block.type === 'tool_use');
    assert.equal(whole.stop_reason, 'tool_use');
    assert.equal(typeof call.input.city, 'string');
    const streamed = await client.messages.stream({ ...asked, tool_choice }).finalMessage();
    assert.equal(typeof streamed.content.find((block) => block.type === 'tool_use').input.city, 'string');
    const result = { type: 'tool_result', tool_use_id: call.id, content: [{ type: 'text', text: 'Sunny.' }] };
    const messages = [...asked.messages, { role: 'assistant', content: whole.content }, { role: 'user', content: [result] }];
    assert.ok(await client.messages.create({ ...asked, messages, tool_choice: { type: 'none' } }));
  }
});

test('thoughts', async () => {
  const asked = { ...usual, max_tokens: 200, thinking: { type: 'enabled', budget_tokens: 1024 } };
  const whole = await client.messages.create(asked);
  const streamed = await client.messages.stream(asked).finalMessage();
  for (const message of [whole, streamed]) assert.ok(message.content.length);
  const messages = [...asked.messages, { role: 'assistant', content: whole.content }, { role: 'user', content: 'And?' }];
  assert.ok(await client.messages.create({ ...asked, messages }));
});

test('answers in a format', async () => {
  const output_config = { format: { type: 'json_schema', schema: SUM } };
  const answer = await client.messages.create({ ...usual, max_tokens: 60, output_config });
  assert.equal(typeof JSON.parse(texts(answer)).total, 'number');
});

test('models', async () => {
  assert.ok((await all(client.models.list())).some((model) => model.id.startsWith(MODEL)));
  assert.equal((await client.models.retrieve(MODEL)).type, 'model');
});

test('batches', async () => {
  const made = await client.messages.batches.create({ requests: [{ custom_id: 'a', params: usual }] });
  let batch = made;
  while (batch.processing_status !== 'ended') {
    await new Promise((done) => setTimeout(done, 100));
    batch = await client.messages.batches.retrieve(made.id);
  }
  const [entry] = await all(await client.messages.batches.results(made.id));
  assert.ok(texts(entry.result.message));
});

test('errors', async () => {
  await assert.rejects(client.messages.create({ ...usual, model: 'nobody' }), Anthropic.NotFoundError);
  await assert.rejects(client.messages.create({ ...usual, messages: [] }), Anthropic.BadRequestError);
  const asked = { ...usual, messages: [{ role: 'user', content: 'word '.repeat(9000) }] };
  await assert.rejects(client.messages.create(asked), /prompt is too long: \d+ tokens > \d+ maximum/);
});
