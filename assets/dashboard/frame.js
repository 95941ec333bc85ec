// Frame: what changes all the time, read from the binary form of docs/http.md. One frame is read over and over, in place.

const MAGIC = 0x31564343;
const HEADER = 184;
const BLOCKS_MAX = 10_000;
const NUMBERS = 15;
const METRICS = 5;

/** The byte that stands for no value, and the largest that stands for one. */
export const NONE = 255;
export const TOP = 254;

/** What blocks are measured by, in the order of a frame. */
export const METRIC_NAMES = ['fitness', 'faultRatio', 'mean', 'deviation', 'score'];

const SIX_BITS = new Uint8Array(128);
[...'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'].forEach((letter, value) => {
  SIX_BITS[letter.charCodeAt(0)] = value;
});

export class Frame {
  #bytes = new Uint8Array(HEADER + METRICS * BLOCKS_MAX + 1024);
  #view = new DataView(this.#bytes.buffer);
  #shape = '';

  /** Finished ticks, milliseconds since 1970, and so on, in the order of the frame. */
  numbers = new Float64Array(NUMBERS);
  /** Least and most of each metric. */
  ranges = new Float32Array(2 * METRICS);
  /** Blocks shown, blocks in all, and the version of their layout. */
  shown = 0;
  total = 0;
  version = -1;
  /** A byte for each block, of each metric. */
  values = Array.from({ length: METRICS }, () => new Uint8Array(0));

  get tick() { return this.numbers[0]; }

  /** Reads a frame in base64 over the last one; false, and nothing changed, if it is none. */
  read(text) {
    const length = this.#decode(text);
    const view = this.#view;
    if (length < HEADER || view.getUint32(0, true) !== MAGIC) return false;
    const header = view.getUint32(4, true);
    const shown = view.getUint32(128, true);
    if (header < HEADER || length < header + METRICS * shown) return false;
    for (let i = 0; i < NUMBERS; i += 1) this.numbers[i] = view.getFloat64(8 + 8 * i, true);
    for (let i = 0; i < 2 * METRICS; i += 1) this.ranges[i] = view.getFloat32(144 + 4 * i, true);
    this.total = view.getUint32(132, true);
    this.version = view.getUint32(136, true);
    this.#point(header, shown);
    return true;
  }

  /** What a block's metric is; NaN where it has none. */
  value(metric, index) {
    const byte = this.values[metric][index];
    if (byte === undefined || byte === NONE) return NaN;
    const [least, most] = [this.ranges[2 * metric], this.ranges[2 * metric + 1]];
    return least + (byte / TOP) * (most - least);
  }

  // By hand, since atob would make a string of the same size for each frame.
  #decode(text) {
    const out = this.#bytes;
    let end = text.length;
    while (end > 0 && text.charCodeAt(end - 1) === 61) end -= 1;
    const length = Math.floor((end * 3) / 4);
    if (length > out.length) return 0;
    let at = 0;
    for (let i = 0; i < end; i += 4) {
      const word = (SIX_BITS[text.charCodeAt(i) & 127] << 18) | (SIX_BITS[text.charCodeAt(i + 1) & 127] << 12)
        | (i + 2 < end ? SIX_BITS[text.charCodeAt(i + 2) & 127] << 6 : 0)
        | (i + 3 < end ? SIX_BITS[text.charCodeAt(i + 3) & 127] : 0);
      out[at] = word >> 16;
      out[at + 1] = word >> 8;
      out[at + 2] = word;
      at += 3;
    }
    return length;
  }

  // The values lie where they are read; only another shape needs other windows on them.
  #point(header, shown) {
    const shape = `${header}/${shown}`;
    if (shape === this.#shape) return;
    this.#shape = shape;
    this.shown = shown;
    this.values = this.values.map((_, metric) => this.#bytes.subarray(header + metric * shown, header + (metric + 1) * shown));
  }
}
