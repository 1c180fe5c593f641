/** Requests to this server, with the key or login that the page has asked for. */
import { signal } from "../html.js";
import { apiKey } from "../state/preferences.js";
import { readLines } from "./ndjson.js";

/** Whether the server has refused the credentials: the page then asks for a key. */
export const refused = signal(false);

/** What the server answered instead of what was asked for; `status` is 0 when it cannot be reached. */
export class ApiError extends Error {
  /**
   * @param {number} status
   * @param {string} message
   */
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

/** @returns {string} an id for a request, by which `/api/queue` knows it */
export function newId() {
  const bytes = crypto.getRandomValues(new Uint8Array(10));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/**
 * @param {string} method
 * @param {string} path
 * @param {unknown} [body]
 * @param {{signal?: AbortSignal, id?: string, conversation?: string}} [how] `conversation` is the one whose cache it
 *   goes on from
 * @returns {Promise<Response>} a response with a good status; anything else is an `ApiError`
 */
export async function send(method, path, body, { signal: abort, id, conversation } = {}) {
  /** @type {Record<string, string>} */
  const headers = { "X-Request-Id": id ?? newId(), "X-Requested-With": "XMLHttpRequest" };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  if (conversation) headers["X-Session-Id"] = conversation;
  if (apiKey.value) headers.Authorization = authorization(apiKey.value);
  let response;
  try {
    response = await fetch(path, { method, headers, body: JSON.stringify(body), signal: abort, cache: "no-store" });
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new ApiError(0, "");
  }
  if (response.ok) return response;
  if (response.status === 401) refused.value = true;
  throw new ApiError(response.status, await reasonOf(response));
}

/**
 * What stands in a header; a letter that none may have is escaped, for the server to say that this is no key.
 * @param {string} given a key, or `user:password`
 */
function authorization(given) {
  if (!given.includes(":")) return `Bearer ${given.toWellFormed().replace(/[^\x20-\x7e]/gu, encodeURIComponent)}`;
  return `Basic ${btoa(String.fromCharCode(...new TextEncoder().encode(given)))}`;
}

/** @param {Response} response */
async function reasonOf(response) {
  const text = await response.text();
  try {
    const error = JSON.parse(text).error;
    return typeof error === "string" ? error : error.message;
  } catch {
    return text.slice(0, 300) || response.statusText;
  }
}

/**
 * @param {string} path
 * @param {{signal?: AbortSignal}} [how]
 */
export async function get(path, how) {
  return (await send("GET", path, undefined, how)).json();
}

/**
 * @param {string} path
 * @param {unknown} body
 * @param {{signal?: AbortSignal, id?: string}} [how]
 */
export async function post(path, body, how) {
  const text = await (await send("POST", path, body, how)).text();
  return text ? JSON.parse(text) : {};
}

/**
 * Yields the objects of a stream as they come; an object that tells of an error is thrown.
 * @param {string} path
 * @param {unknown} body
 * @param {{signal?: AbortSignal, id?: string, conversation?: string}} [how]
 */
export async function* stream(path, body, how) {
  const response = await send("POST", path, body, how);
  for await (const item of readLines(/** @type {ReadableStream} */ (response.body))) {
    if (item.error !== undefined) throw new ApiError(500, String(item.error.message ?? item.error));
    yield item;
  }
}
