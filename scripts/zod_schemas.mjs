// Writes what zod makes of every type it has: node scripts/zod_schemas.mjs > tests/inference/format/zod.json (npm install zod).
import { z } from "zod";

const tree = z.object({ value: z.int(), get children() { return z.array(tree); } });
const types = {
  string: z.string(), min: z.string().min(2).max(5), regex: z.string().regex(/^[a-z]+$/), startsWith: z.string().startsWith("a"),
  endsWith: z.string().endsWith("z"), includes: z.string().includes("m"), uppercase: z.string().uppercase(), lowercase: z.string().lowercase(),
  trim: z.string().trim(), email: z.email(), uuid: z.uuid(), guid: z.guid(), url: z.url(), httpUrl: z.httpUrl?.(), emoji: z.emoji(), base64: z.base64(),
  base64url: z.base64url(), nanoid: z.nanoid(), cuid: z.cuid(), cuid2: z.cuid2(), ulid: z.ulid(), xid: z.xid?.(), ksuid: z.ksuid?.(), ipv4: z.ipv4(), ipv6: z.ipv6(),
  cidrv4: z.cidrv4(), cidrv6: z.cidrv6(), jwt: z.jwt(), e164: z.e164(), hostname: z.hostname?.(), hex: z.hex?.(), isoDate: z.iso.date(), isoTime: z.iso.time(),
  isoDatetime: z.iso.datetime(), isoDatetimeOffset: z.iso.datetime({ offset: true }), isoDuration: z.iso.duration(), number: z.number(),
  int: z.int(), int32: z.int32(), uint32: z.uint32(), float32: z.float32(), float64: z.float64(), gt: z.number().gt(1), gte: z.number().gte(1),
  lt: z.number().lt(1), positive: z.number().positive(), nonnegative: z.number().nonnegative(), multipleOf: z.number().multipleOf(5),
  step: z.number().step(0.01), boolean: z.boolean(), null: z.null(), any: z.any(), unknown: z.unknown(), never: z.never(), literal: z.literal("a"),
  literals: z.literal(["a", 1, true, null]), enum: z.enum(["a", "b"]), nullable: z.string().nullable(), nullish: z.string().nullish(),
  default: z.string().default("x"), prefault: z.string().prefault("x"), catch: z.string().catch("x"), readonly: z.string().readonly(),
  brand: z.string().brand(), describe: z.string().describe("what it is"), object: z.object({ a: z.string(), b: z.number().optional() }),
  strictObject: z.strictObject({ a: z.string() }), looseObject: z.looseObject({ a: z.string() }), catchall: z.object({ a: z.string() }).catchall(z.int()),
  array: z.array(z.int()), arrayBounds: z.array(z.int()).min(1).max(3), nonempty: z.array(z.int()).nonempty(), tuple: z.tuple([z.int(), z.string()]),
  tupleRest: z.tuple([z.int()], z.string()), record: z.record(z.string(), z.int()), recordEnum: z.record(z.enum(["a", "b"]), z.int()),
  partialRecord: z.partialRecord(z.enum(["a", "b"]), z.int()), recordRegex: z.record(z.string().regex(/^k/), z.int()), union: z.union([z.int(), z.string()]),
  discriminatedUnion: z.discriminatedUnion("kind", [z.object({ kind: z.literal("a"), x: z.int() }), z.object({ kind: z.literal("b"), y: z.string() })]),
  intersection: z.intersection(z.object({ a: z.int() }), z.object({ b: z.int() })), extend: z.object({ a: z.int() }).extend({ b: z.int() }),
  tree, json: z.json(), templateLiteral: z.templateLiteral(["v", z.int(), ".", z.enum(["a", "b"])]), file: z.file(), nativeEnum: z.enum({ A: 1, B: "b" }),
};
const written = {};
for (const [name, type] of Object.entries(types))
  for (const target of ["draft-2020-12", "draft-7"])
    try { if (type) written[`${name} ${target}`] = z.toJSONSchema(type, { target }); } catch { /* zod has no schema for it */ }
console.log(JSON.stringify(written));
