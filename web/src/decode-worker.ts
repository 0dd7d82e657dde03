// SPDX-License-Identifier: Apache-2.0
// The worker of the low-latency engine: one WebSocket, one decoder, one canvas. Frames are drawn as soon as they are
// decoded. The page hears which picture is shown, and everything that is no picture.

import { DecodeOrder } from "./decode-order.ts";
import { recordsOf, RecordError, type ConfigurationRecord, type StateHeader } from "./records.ts";
import { MediaError, VideoTrack } from "./video-track.ts";

export type ToWorker =
  | { readonly type: "canvas"; readonly canvas: OffscreenCanvas }
  | { readonly type: "open"; readonly url: string; readonly protocols: string[] }
  | { readonly type: "close" };

export type FromWorker =
  | { readonly type: "shown"; readonly pictureUs: number }
  | { readonly type: "received"; readonly startUs: number; readonly endUs: number; readonly recorded: boolean | undefined }
  | { readonly type: "camera"; readonly state: StateHeader }
  | { readonly type: "dropped" }
  | { readonly type: "ended"; readonly code: number; readonly message: string }
  | { readonly type: "unplayable"; readonly codec: string }
  | { readonly type: "failed"; readonly message: string };

const UNSUPPORTED_DATA = 1003;
/** Pictures of the first group are decoded and not drawn, until so few wait. */
const DRAW_WHILE_WAITING = 2;
/** So many failures of the decoder without a picture between them, and it is given up. */
const MOST_FAILURES = 3;

interface Configuration {
  readonly id: number;
  readonly codec: string;
  readonly jpeg: boolean;
  readonly track: VideoTrack;
}

interface Picture {
  readonly keyframe: boolean;
  readonly timeUs: number;
  readonly decodeUs: number;
  readonly data: Uint8Array<ArrayBuffer>;
}

class Screen {
  readonly #canvas: OffscreenCanvas;
  readonly #context: OffscreenCanvasRenderingContext2D;

  constructor(canvas: OffscreenCanvas) {
    const context = canvas.getContext("2d", { alpha: false });
    if (context === null) throw new Error("the browser gives no canvas to draw on");
    this.#canvas = canvas;
    this.#context = context;
  }

  draw(image: VideoFrame | ImageBitmap, width: number, height: number): void {
    if (this.#canvas.width !== width || this.#canvas.height !== height) {
      this.#canvas.width = width;
      this.#canvas.height = height;
    }
    this.#context.drawImage(image, 0, 0, width, height);
  }
}

class Watching {
  readonly #screen: Screen;
  readonly #socket: WebSocket;
  readonly #configurations = new Map<number, Configuration>();
  readonly #order = new DecodeOrder();
  #decoder: VideoDecoder | undefined;
  #configured: Configuration | undefined;
  #failures = 0;
  #jpegs = 0;
  #message = "";
  #over = false;

  constructor(screen: Screen, url: string, protocols: string[]) {
    this.#screen = screen;
    this.#socket = new WebSocket(url, protocols);
    this.#socket.binaryType = "arraybuffer";
    this.#socket.addEventListener("message", (event) => this.#heard(event.data as ArrayBuffer));
    this.#socket.addEventListener("close", (event) => this.#end(event.code));
  }

  close(): void {
    this.#over = true;
    this.#socket.close();
    if (this.#decoder !== undefined && this.#decoder.state !== "closed") this.#decoder.close();
    this.#decoder = undefined;
  }

  #end(code: number): void {
    if (this.#over) return;
    this.close();
    tell({ type: "ended", code, message: this.#message });
  }

  #heard(message: ArrayBuffer): void {
    if (this.#over) return;
    try {
      this.#take(message);
    } catch (error) {
      if (!(error instanceof RecordError || error instanceof MediaError)) throw error;
      this.#message = error.message;
      this.#end(UNSUPPORTED_DATA);
    }
  }

  #take(message: ArrayBuffer): void {
    for (const record of recordsOf(message)) {
      if (this.#over) return;
      switch (record.kind) {
        case "configuration":
          this.#configurations.set(record.header.id, configurationOf(record));
          break;
        case "fragment": {
          const configuration = this.#configuration(record.header.configuration);
          const { start_us: startUs, duration_us: durationUs, recorded } = record.header;
          let decodeUs = startUs;
          for (const frame of configuration.track.frames(record.payload)) {
            this.#feed(configuration, { ...frame, decodeUs });
            decodeUs += frame.durationUs;
          }
          tell({ type: "received", startUs, endUs: startUs + durationUs, recorded });
          break;
        }
        case "sample": {
          const { time_us: timeUs, decode_us: decodeUs, keyframe, configuration } = record.header;
          this.#feed(this.#configuration(configuration), { timeUs, decodeUs, keyframe, data: record.payload });
          tell({ type: "received", startUs: decodeUs, endUs: decodeUs, recorded: undefined });
          break;
        }
        case "state":
          tell({ type: "camera", state: record.header });
          break;
        case "dropped":
          this.#order.lose();
          tell({ type: "dropped" });
          break;
        case "error":
          this.#message = record.header.message;
          break;
        default: // gaps, damage and ends are of recorded footage
      }
    }
  }

  #configuration(id: number): Configuration {
    const found = this.#configurations.get(id);
    if (found === undefined) throw new RecordError("a picture came before its configuration");
    return found;
  }

  #feed(configuration: Configuration, picture: Picture): void {
    if (this.#over) return;
    if (configuration.jpeg) {
      void this.#feedJpeg(picture);
      return;
    }
    const changed = configuration !== this.#configured;
    if (changed) this.#order.begin();
    const waiting = changed ? 0 : (this.#decoder?.decodeQueueSize ?? 0);
    const decision = this.#order.decide(picture, waiting);
    if (decision === "skip") return;
    try {
      if (changed || decision === "restart" || this.#decoder?.state !== "configured") this.#begin(configuration);
      this.#decoder?.decode(
        new EncodedVideoChunk({
          type: picture.keyframe ? "key" : "delta",
          timestamp: picture.timeUs,
          data: picture.data,
        }),
      );
    } catch (error) {
      this.#failed(error);
    }
  }

  #begin(configuration: Configuration): void {
    const { codec, track } = configuration;
    const config: VideoDecoderConfig = {
      codec,
      optimizeForLatency: true,
      ...(track.description === undefined ? {} : { description: track.description }),
    };
    if (configuration !== this.#configured) {
      this.#configured = configuration;
      void VideoDecoder.isConfigSupported(config).then(
        ({ supported }) => {
          if (supported !== true) this.#cannot(codec);
        },
        () => this.#cannot(codec),
      );
    }
    if (this.#decoder === undefined || this.#decoder.state === "closed") {
      const decoder = new VideoDecoder({
        output: (frame) => this.#show(frame, decoder),
        error: (error) => this.#failed(error),
      });
      this.#decoder = decoder;
    } else this.#decoder.reset();
    this.#decoder.configure(config);
  }

  #show(frame: VideoFrame, decoder: VideoDecoder): void {
    try {
      if (this.#over || decoder !== this.#decoder || decoder.decodeQueueSize > DRAW_WHILE_WAITING) return;
      this.#screen.draw(frame, frame.displayWidth, frame.displayHeight);
      this.#failures = 0;
      tell({ type: "shown", pictureUs: frame.timestamp });
    } finally {
      frame.close();
    }
  }

  /** Motion JPEG: every frame is an image of its own; while two are in hand, further ones are left out. */
  async #feedJpeg(picture: Picture): Promise<void> {
    if (this.#jpegs >= 2) return;
    this.#jpegs += 1;
    try {
      const image = await createImageBitmap(new Blob([picture.data], { type: "image/jpeg" }));
      if (!this.#over) {
        this.#screen.draw(image, image.width, image.height);
        tell({ type: "shown", pictureUs: picture.timeUs });
      }
      image.close();
    } catch (error) {
      if (!this.#over) this.#message = `A picture could not be read: ${String(error)}`;
    } finally {
      this.#jpegs -= 1;
    }
  }

  #failed(error: unknown): void {
    if (this.#over) return;
    this.#failures += 1;
    this.#order.lose();
    if (this.#failures < MOST_FAILURES) return;
    this.close();
    tell({ type: "failed", message: error instanceof Error ? error.message : String(error) });
  }

  #cannot(codec: string): void {
    if (this.#over) return;
    this.close();
    tell({ type: "unplayable", codec });
  }
}

function configurationOf(record: ConfigurationRecord): Configuration {
  const track = record.header.tracks.find((each) => each.kind === "video");
  if (track === undefined) throw new MediaError("the stream has no video track");
  return {
    id: record.header.id,
    codec: track.rfc6381,
    jpeg: track.codec === "mjpeg",
    track: new VideoTrack(record.payload),
  };
}

function tell(message: FromWorker): void {
  postMessage(message);
}

let screen: Screen | undefined;
let watching: Watching | undefined;

addEventListener("message", (event: MessageEvent<ToWorker>) => {
  const message = event.data;
  if (message.type === "canvas") {
    try {
      screen = new Screen(message.canvas);
    } catch (error) {
      tell({ type: "failed", message: String(error) });
    }
    return;
  }
  watching?.close();
  watching = message.type === "open" && screen !== undefined ? new Watching(screen, message.url, message.protocols) : undefined;
});
