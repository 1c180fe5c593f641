/** The browser's own database: conversations, and their messages one by one, so that a long one is not written whole. */

const NAME = "puna";
const VERSION = 1;

/** @type {Promise<IDBDatabase> | undefined} */
let opened;

/** @returns {Promise<IDBDatabase>} */
function database() {
  opened ??= new Promise((resolve, reject) => {
    const request = indexedDB.open(NAME, VERSION);
    request.onupgradeneeded = () => {
      request.result.createObjectStore("conversations", { keyPath: "id" });
      request.result.createObjectStore("messages", { keyPath: "id" }).createIndex("conversation", "conversation");
    };
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
  return opened;
}

/**
 * Runs `work` on the stores and returns what its request yields, once all is written.
 * @template T
 * @param {IDBTransactionMode} mode
 * @param {(conversations: IDBObjectStore, messages: IDBObjectStore) => IDBRequest<T> | void} work
 * @returns {Promise<T>}
 */
async function transact(mode, work) {
  const transaction = (await database()).transaction(["conversations", "messages"], mode);
  const request = work(transaction.objectStore("conversations"), transaction.objectStore("messages"));
  return new Promise((resolve, reject) => {
    transaction.oncomplete = () => resolve(/** @type {T} */ (request?.result));
    transaction.onerror = transaction.onabort = () => reject(transaction.error);
  });
}

/** @returns {Promise<import("./types.js").Conversation[]>} */
export const allConversations = () => transact("readonly", (conversations) => conversations.getAll());

/**
 * @param {string} id
 * @returns {Promise<import("./types.js").Message[]>}
 */
export const messagesOf = (id) =>
  transact("readonly", (_, messages) => messages.index("conversation").getAll(IDBKeyRange.only(id)));

/** @param {import("./types.js").Conversation} conversation */
export const putConversation = (conversation) =>
  transact("readwrite", (conversations) => void conversations.put(conversation));

/** @param {import("./types.js").Message[]} list */
export const putMessages = (list) =>
  transact("readwrite", (_, messages) => {
    for (const message of list) messages.put(message);
  });

/**
 * Writes a message that has changed; of a conversation that was removed meanwhile, here or in another tab, nothing stays.
 * @param {import("./types.js").Message} message
 */
export const updateMessage = (message) =>
  transact("readwrite", (conversations, messages) => {
    const known = conversations.getKey(message.conversation);
    known.onsuccess = () => known.result !== undefined && messages.put(message);
  });

/** @param {string} id removes a conversation with its messages */
export const removeConversation = (id) =>
  transact("readwrite", (conversations, messages) => {
    conversations.delete(id);
    const cursor = messages.index("conversation").openKeyCursor(IDBKeyRange.only(id));
    cursor.onsuccess = () => {
      if (!cursor.result) return;
      messages.delete(cursor.result.primaryKey);
      cursor.result.continue();
    };
  });

/**
 * Returns the ids of the conversations in which some message has `text`, in small or capital letters.
 * @param {string} text
 * @returns {Promise<Set<string>>}
 */
export async function conversationsWith(text) {
  const wanted = text.toLowerCase();
  /** @type {Set<string>} */
  const found = new Set();
  await transact("readonly", (_, messages) => {
    const cursor = messages.openCursor();
    cursor.onsuccess = () => {
      if (!cursor.result) return;
      const message = cursor.result.value;
      if (message.content.toLowerCase().includes(wanted)) found.add(message.conversation);
      cursor.result.continue();
    };
  });
  return found;
}
