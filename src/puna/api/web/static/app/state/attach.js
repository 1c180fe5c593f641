/** Files that go with a message: pictures and sound as base64, everything else as text. */
import { notify } from "./notices.js";
import { t } from "../text/translate.js";

const LARGEST_TEXT = 2_000_000;

/** @typedef {{images: string[], audio: string[], files: import("./types.js").Attachment[]}} Attached */

/**
 * Reads files; of one that is neither picture, sound nor text, the user is told.
 * @param {File[]} files
 * @returns {Promise<Attached>}
 */
export async function readFiles(files) {
  /** @type {Attached} */
  const found = { images: [], audio: [], files: [] };
  for (const file of files) {
    if (file.type.startsWith("image/") && file.type !== "image/svg+xml") found.images.push(await base64(file));
    else if (file.type.startsWith("audio/")) found.audio.push(await base64(file));
    else {
      const text = await textOf(file);
      if (text === null) notify(t("notText", { name: file.name }), { bad: true });
      else found.files.push({ name: file.name, text });
    }
  }
  return found;
}

/**
 * @param {File} file
 * @returns {Promise<string>}
 */
function base64(file) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(String(reader.result).replace(/^[^,]*,/, ""));
    reader.onerror = () => reject(reader.error);
    reader.readAsDataURL(file);
  });
}

/** @param {File} file */
async function textOf(file) {
  if (file.size > LARGEST_TEXT) return null;
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(await file.arrayBuffer());
    return text.includes("\0") ? null : text;
  } catch {
    return null;
  }
}
