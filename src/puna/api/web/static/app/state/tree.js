/** A conversation is a tree: editing or regenerating makes another branch, and one path of it is shown. */

/** @typedef {import("./types.js").Message} Message */

export class Tree {
  /** @param {Message[]} messages in any order */
  constructor(messages = []) {
    /** @type {Map<string, Message>} */
    this.byId = new Map();
    /** The ids below a message, oldest first; "" is above all. @type {Map<string, string[]>} */
    this.below = new Map();
    for (const message of [...messages].sort((a, b) => a.created - b.created)) this.add(message);
  }

  /** @param {Message} message */
  add(message) {
    this.byId.set(message.id, message);
    const siblings = this.below.get(message.parent) ?? [];
    this.below.set(message.parent, [...siblings, message.id]);
  }

  /**
   * The branches below a message: answers side by side are one branch.
   * @param {string} parent
   * @returns {Message[][]}
   */
  branches(parent) {
    /** @type {Map<string, Message[]>} */
    const groups = new Map();
    for (const id of this.below.get(parent) ?? []) {
      const message = /** @type {Message} */ (this.byId.get(id));
      const key = message.batch ?? message.id;
      const group = groups.get(key);
      if (group) group.push(message);
      else groups.set(key, [message]);
    }
    return [...groups.values()];
  }

  /**
   * What is shown, from the first message on: at each place the branch that was chosen, else the newest.
   * @param {Record<string, string>} choices
   * @returns {{parent: string, branches: Message[][], shown: number, chosen: Message}[]}
   */
  path(choices) {
    const path = [];
    let parent = "";
    for (;;) {
      const branches = this.branches(parent);
      if (!branches.length) return path;
      const wanted = choices[parent];
      let shown = branches.findIndex((group) => group.some((message) => message.id === wanted));
      if (shown < 0) shown = branches.length - 1;
      const chosen = branches[shown].find((message) => message.id === wanted) ?? branches[shown][0];
      path.push({ parent, branches, shown, chosen });
      parent = chosen.id;
    }
  }

  /**
   * The messages before and with `id`, as a model saw them: of answers side by side its own, else the chosen ones.
   * @param {string} id "" for none
   * @param {string} [model]
   * @returns {Message[]}
   */
  history(id, model) {
    const list = [];
    for (let at = this.byId.get(id); at; at = this.byId.get(at.parent)) {
      const { batch, parent } = at;
      const beside = batch ? (this.below.get(parent) ?? []).map((other) => this.byId.get(other)) : [];
      const own = beside.find((other) => other?.batch === batch && other?.model === model && other?.content);
      list.unshift(at.id === id ? at : own ?? at);
    }
    return list;
  }
}
