// Rings: the last values of what is charted, of fixed size, never grown.

/** The columns; `faults`, `repairs` and `misses` are a second, made from totals. */
const NAMES = ['time', 'rate', 'p50', 'p95', 'p99', 'misses', 'fitness', 'faults', 'repairs', 'alerts', 'memory', 'lag', 'queue'];
// Where each of them stands in a frame's numbers.
const FROM = { rate: 3, p50: 4, p95: 5, p99: 6, fitness: 8, alerts: 11, memory: 12, lag: 13, queue: 14 };
const TOTALS = { misses: 7, faults: 9, repairs: 10 };
// A rate is over so many milliseconds at least: ticks and pictures do not beat together, and a shorter one would flicker.
const RATE_OVER_MS = 1000;

/** Values in a column. */
export const SIZE = 1200;

export class Rings {
  #columns = Object.fromEntries(NAMES.map((name) => [name, new Float64Array(SIZE)]));
  #totals = Object.fromEntries(Object.keys(TOTALS).map((name) => [name, new Float64Array(SIZE)]));
  #windows = {};
  #count = 0;
  // The oldest sample that a rate may look back to: none beyond a gap.
  #since = 0;
  #isFresh = true;

  constructor() { this.reset(); }

  get count() { return this.#count; }

  reset() {
    this.#count = 0;
    this.#since = 0;
    this.#isFresh = true;
    this.#point();
  }

  /** Takes the numbers of a frame in. */
  push(numbers) {
    // The first picture of a connection can be one from when somebody last looked, with the time of now.
    if (this.#isFresh) {
      this.#isFresh = false;
      return;
    }
    const time = numbers[1] / 1e3;
    const last = this.last('time');
    // A clock that was set back would run the charts backwards.
    if (time <= last - 5) this.reset();
    this.#shift(time <= last ? last + 1e-3 : time);
    const at = this.#count - 1;
    for (const name in FROM) this.#columns[name][at] = numbers[FROM[name]];
    let base = at;
    while (base > this.#since && (this.#columns.time[at] - this.#columns.time[base]) * 1e3 < RATE_OVER_MS) base -= 1;
    const seconds = this.#columns.time[at] - this.#columns.time[base];
    for (const name in TOTALS) {
      const totals = this.#totals[name];
      totals[at] = numbers[TOTALS[name]];
      this.#columns[name][at] = seconds >= RATE_OVER_MS / 1e3 ? (totals[at] - totals[base]) / seconds : NaN;
    }
  }

  /** Marks that what came between was not seen. */
  gap() {
    this.#isFresh = true;
    if (this.#count === 0 || Number.isNaN(this.#columns.rate[this.#count - 1])) return;
    this.#shift(this.last('time') + 1e-3);
    for (const name of NAMES) if (name !== 'time') this.#columns[name][this.#count - 1] = NaN;
    this.#since = this.#count;
  }

  /** A column, oldest value first. */
  column(name) { return this.#windows[name]; }

  last(name) { return this.#count ? this.#columns[name][this.#count - 1] : NaN; }

  // Moved rather than wrapped: a chart wants a column in one piece, and 1200 numbers move in less than a microsecond.
  #shift(time) {
    if (this.#count < SIZE) {
      this.#count += 1;
      this.#point();
    } else {
      for (const name of NAMES) this.#columns[name].copyWithin(0, 1);
      for (const name in TOTALS) this.#totals[name].copyWithin(0, 1);
      this.#since = Math.max(0, this.#since - 1);
    }
    this.#columns.time[this.#count - 1] = time;
  }

  #point() {
    for (const name of NAMES) this.#windows[name] = this.#columns[name].subarray(0, this.#count);
  }
}
