// What the tests of all packages share.
export const URL = process.env.PUNA_URL;
export const MODEL = 'cria';
export const SKY = 'Why is the sky blue?';
export const HOT = { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] };
export const WEATHER = { name: 'get_weather', description: 'Tell the weather of a city', parameters: HOT };
export const ASKS_WEATHER = 'What is the weather in Lhasa?';
export const SUM = {
  type: 'object',
  properties: { total: { type: 'integer' } },
  required: ['total'],
  additionalProperties: false,
};

export async function all(items) {
  const found = [];
  for await (const item of items) found.push(item);
  return found;
}
