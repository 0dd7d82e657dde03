// SPDX-License-Identifier: Apache-2.0
// Media records (docs/formats/media-records.md): the one form in which everything that a player gets comes.
// Times are UTC in whole microseconds since the Unix epoch.

const MAX_RECORD = 32 << 20;
const MAX_HEADER = 64 << 10;
const PREFIX = 8;
/** Of a record's size, which counts what comes after its own four bytes. */
const AFTER_SIZE = 4;

export type Bytes = Uint8Array<ArrayBuffer>;

export type TrackHeader = {
  readonly kind: string;
  readonly codec: string;
  readonly rfc6381: string;
  readonly timescale: number;
  readonly width: number;
  readonly height: number;
  readonly channels: number;
};

export type ConfigurationHeader = {
  readonly id: number;
  readonly codecs: string;
  readonly tracks: readonly TrackHeader[];
};

export type FragmentHeader = {
  readonly configuration: number;
  readonly start_us: number;
  readonly duration_us: number;
  readonly samples: number;
  readonly keyframe: boolean;
  readonly discontinuity: boolean;
  readonly damaged: boolean;
  /** Of live fragments alone. */
  readonly recorded?: boolean;
};

export type SampleHeader = {
  readonly configuration: number;
  readonly time_us: number;
  readonly decode_us: number;
  readonly keyframe: boolean;
  readonly damaged: boolean;
};

export type StateHeader = {
  readonly state: string;
  readonly reason: string;
  readonly since_us: number;
};

type Form<Kind extends string, Header> = {
  readonly kind: Kind;
  readonly header: Header;
  readonly payload: Bytes;
};

export type ConfigurationRecord = Form<"configuration", ConfigurationHeader>;
export type FragmentRecord = Form<"fragment", FragmentHeader>;
export type SampleRecord = Form<"sample", SampleHeader>;
export type StateRecord = Form<"state", StateHeader>;
export type MediaRecord =
  | ConfigurationRecord
  | FragmentRecord
  | SampleRecord
  | StateRecord
  | Form<"damage", { readonly start_us: number; readonly end_us: number; readonly detail: string }>
  | Form<
      "gap",
      { readonly start_us: number; readonly end_us: number | null; readonly cause: string; readonly detail: string }
    >
  | Form<"end", { readonly complete?: boolean; readonly next_us?: number }>
  | Form<"dropped", { readonly fragments?: number; readonly samples?: number }>
  | Form<"error", { readonly kind: string; readonly message: string }>;

/** Field of a header: its type; `?` where it may be missing, `|null` where it may be null. */
type Shape = Record<string, "number" | "number?" | "number|null" | "string" | "boolean" | "boolean?" | "array">;

const KINDS: Record<number, { readonly kind: MediaRecord["kind"]; readonly shape: Shape }> = {
  1: { kind: "configuration", shape: { id: "number", codecs: "string", tracks: "array" } },
  2: {
    kind: "fragment",
    shape: {
      configuration: "number",
      start_us: "number",
      duration_us: "number",
      samples: "number",
      keyframe: "boolean",
      discontinuity: "boolean",
      damaged: "boolean",
      recorded: "boolean?",
    },
  },
  3: {
    kind: "sample",
    shape: { configuration: "number", time_us: "number", decode_us: "number", keyframe: "boolean", damaged: "boolean" },
  },
  4: { kind: "state", shape: { state: "string", reason: "string", since_us: "number" } },
  5: { kind: "damage", shape: { start_us: "number", end_us: "number", detail: "string" } },
  6: { kind: "gap", shape: { start_us: "number", end_us: "number|null", cause: "string", detail: "string" } },
  7: { kind: "end", shape: { complete: "boolean?", next_us: "number?" } },
  8: { kind: "dropped", shape: { fragments: "number?", samples: "number?" } },
  9: { kind: "error", shape: { kind: "string", message: "string" } },
};

/** What came is no stream of records; the message names the offset. It cannot be read on. */
export class RecordError extends Error {
  override readonly name = "RecordError";
}

/** Takes records out of bytes that come in pieces of any size; kinds that it does not know are passed over. */
export class RecordParser {
  #pieces: Bytes[] = [];
  #length = 0;
  #offset = 0;
  /** Bytes that must be there before it is worth looking again. */
  #wanted = PREFIX;

  /** Bytes of a record that is not whole yet; not 0 at the end of a body means that it was cut off. */
  get pending(): number {
    return this.#length;
  }

  /**
   * Takes bytes; returns the records that are whole now. Payloads are views of what was fed, or of a copy of it.
   * Raises RecordError if a size is beyond its limit or contradicts another, or a header is not as it should be.
   */
  feed(piece: Bytes): MediaRecord[] {
    this.#pieces.push(piece);
    this.#length += piece.length;
    if (this.#length < this.#wanted) return [];
    const bytes = this.#joined();
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    const records: MediaRecord[] = [];
    let at = 0;
    this.#wanted = PREFIX;
    while (bytes.length - at >= PREFIX) {
      const size = view.getUint32(at);
      const headerSize = view.getUint32(at + 4) & 0xffffff;
      if (size > MAX_RECORD || headerSize > MAX_HEADER || size < AFTER_SIZE + headerSize) {
        throw new RecordError(`record at offset ${this.#offset + at}: its sizes (${size}, ${headerSize}) are out of bounds`);
      }
      const end = at + AFTER_SIZE + size;
      if (end > bytes.length) {
        this.#wanted = end - at;
        break;
      }
      const payload = at + PREFIX + headerSize;
      const record = readRecord(
        view.getUint8(at + 4),
        bytes.subarray(at + PREFIX, payload),
        bytes.subarray(payload, end),
        this.#offset + at,
      );
      if (record !== undefined) records.push(record);
      at = end;
    }
    this.#offset += at;
    this.#length -= at;
    this.#pieces = this.#length > 0 ? [bytes.subarray(at)] : [];
    return records;
  }

  #joined(): Bytes {
    const [only] = this.#pieces;
    if (this.#pieces.length === 1 && only !== undefined) return only;
    const joined = new Uint8Array(this.#length);
    let at = 0;
    for (const piece of this.#pieces) {
      joined.set(piece, at);
      at += piece.length;
    }
    return joined;
  }
}

/** The records of one message of a WebSocket, which holds whole ones. Raises RecordError. */
export function recordsOf(message: ArrayBuffer): MediaRecord[] {
  const parser = new RecordParser();
  const records = parser.feed(new Uint8Array(message));
  if (parser.pending > 0) throw new RecordError(`a message ends in the middle of a record: ${parser.pending} bytes are left`);
  return records;
}

const utf8 = new TextDecoder("utf-8", { fatal: true });

function readRecord(number: number, text: Bytes, payload: Bytes, offset: number): MediaRecord | undefined {
  const known = KINDS[number];
  if (known === undefined) return undefined;
  const { kind, shape } = known;
  const where = `record at offset ${offset} (${kind})`;
  let header: unknown;
  try {
    header = JSON.parse(utf8.decode(text));
  } catch (error) {
    throw new RecordError(`${where}: its header is not JSON (${String(error)})`);
  }
  if (!isObject(header)) throw new RecordError(`${where}: its header is not an object`);
  for (const [name, type] of Object.entries(shape)) {
    if (!fits(header[name], type)) throw new RecordError(`${where}: '${name}' is not of type ${type}`);
  }
  if (kind === "configuration" && !(header["tracks"] as unknown[]).every(isTrack)) {
    throw new RecordError(`${where}: a track lacks its codec or timescale`);
  }
  // The shape was just checked, field by field.
  return { kind, header, payload } as unknown as MediaRecord;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isTrack(value: unknown): boolean {
  return (
    isObject(value) && fits(value["kind"], "string") && fits(value["rfc6381"], "string") && fits(value["timescale"], "number")
  );
}

function fits(value: unknown, type: Shape[string]): boolean {
  if (type === "array") return Array.isArray(value);
  if (type.endsWith("?") && value === undefined) return true;
  if (type.endsWith("|null") && value === null) return true;
  return typeof value === type.replace(/\?|\|null/, "");
}
